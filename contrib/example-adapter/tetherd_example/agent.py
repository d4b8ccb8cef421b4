"""A toy agent: it repeats what it is told, and asks before it shouts.

It reads {"prompt": TEXT}, {"answer": ID, "yes": BOOL} and {"interrupt": true}; it says {"ready": true}, {"say": TEXT},
{"ask": ID, "command": TEXT} and {"done": true, "interrupted": BOOL}. One object a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    say(ready=True)
    lines = (json.loads(line) for line in sys.stdin)
    for number, message in enumerate(lines):
        if "prompt" in message:
            say(done=True, interrupted=not _turn(f"q-{number}", message["prompt"], lines))


def _turn(question: str, prompt: str, lines: Iterator[Any]) -> bool:
    """False when it was interrupted."""
    for word in prompt.split():
        say(say=f"{word} ")
    if prompt.endswith("!"):
        say(ask=question, command=f"shout {prompt}")
        for message in lines:
            if message.get("answer") == question:
                say(say=prompt.upper() if message["yes"] else "All right, quietly.")
                return True
            if message.get("interrupt"):
                return False
    return True


if __name__ == "__main__":
    main()
