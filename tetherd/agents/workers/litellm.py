"""Any model by LiteLLM, as an agent: `python -m tetherd.agents.workers.litellm --model VENDOR/NAME`.

Environment: the vendor's key, as LiteLLM names it (OPENAI_API_KEY, GEMINI_API_KEY ...). Conversations are kept below
XDG_DATA_HOME in tether/conversations/litellm.
"""

from __future__ import annotations

import argparse
import sys

from tetherd.agents.workers.core.start import add_arguments, start
from tetherd.agents.workers.providers.litellm import LiteLlm


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    given = parser.parse_args()
    return start(LiteLlm(given.model, given.effort), "LiteLLM", given)


if __name__ == "__main__":
    sys.exit(main())
