"""Claude by API key, as an agent: `python -m tetherd.agents.workers.claude_api --model NAME`.

Environment: ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN) and ANTHROPIC_BASE_URL. Conversations are kept below
XDG_DATA_HOME in tether/conversations/claude_api.
"""

from __future__ import annotations

import argparse
import os
import sys

from tetherd.agents.workers.core.start import add_arguments, start
from tetherd.agents.workers.providers.claude import Claude


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    given = parser.parse_args()
    return start(Claude(given.model, given.effort, os.environ), "Claude (API)", given)


if __name__ == "__main__":
    sys.exit(main())
