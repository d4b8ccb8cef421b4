"""Pages of the docs that are made from the code: `python -m tests.generated_docs` writes them all."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterator
from pathlib import Path

from tetherd.bridge import load_bridges
from tetherd.cli.main import build_parser
from tetherd.domain.session import TRANSITIONS, By, SessionState
from tetherd.plugin import load_adapters
from tetherd.settings import SETTINGS, env_example

ROOT = Path(__file__).parent.parent
PLUGS = (*sorted(load_adapters().items()), *sorted(load_bridges().items()))
ALL_SETTINGS = (*SETTINGS, *(one for _, plug in PLUGS for one in plug.settings))
MADE = "<!-- Made by `python -m tests.generated_docs`; do not edit. -->"


def states() -> str:
    lines = ["# States of a session", "", MADE, "", "```mermaid", "stateDiagram-v2", "    [*] --> created"]
    for state, moves in TRANSITIONS.items():
        for event, target in moves.items():
            kind = event.model_fields["type"].default
            targets = [target] if isinstance(target, SessionState) else BY[target]
            lines += [f"    {state.value} --> {to.value}: {kind}" for to in targets]
    lines += ["    ended --> [*]: session_deleted", "    created --> [*]: session_deleted", "```", ""]
    lines += ["Where an event leads to two states it depends on what is left open:", ""]
    lines += [f"- {by.value}" for by in By]
    return "\n".join(lines) + "\n"


BY = {
    By.OPENNESS: (SessionState.RUNNING, SessionState.AWAITING_INPUT),
    By.TURN: (SessionState.INTERRUPTING, SessionState.AWAITING_INPUT),
    By.ASKED: (SessionState.AWAITING_APPROVAL, SessionState.AWAITING_INPUT),
}


def settings() -> str:
    lines = ["# Settings", "", MADE, ""]
    lines += [
        "Environment, then `./.env`, then `~/.config/tether/config.env`: the first that says something counts.",
        "",
    ]
    for setting in ALL_SETTINGS:
        lines += [
            f"## {setting.key}",
            "",
            setting.meaning,
            "",
            f"Accepted: {setting.kind}. Default: `{setting.default}`.",
        ]
        if setting.guarded:
            lines += ["Not read from a `.env` inside a git work tree, where an agent could write it."]
        lines.append("")
    return "\n".join(lines)


def commands() -> str:
    lines = ["# tetherctl", "", MADE, ""]
    for name, parser in parsers():
        lines += [f"## {name}", "", "```", parser.format_help().rstrip(), "```", ""]
    return "\n".join(lines)


def parsers() -> Iterator[tuple[str, ArgumentParser]]:
    """Every command and its parser, those of `token` included."""
    yield from _below("", build_parser("tetherctl"))


def _below(prefix: str, parser: ArgumentParser) -> Iterator[tuple[str, ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for name, child in action.choices.items():
                yield f"{prefix}{name}", child
                yield from _below(f"{prefix}{name} ", child)


PAGES: dict[str, Callable[[], str]] = {
    "docs/states.md": states,
    "docs/settings.md": settings,
    "docs/cli.md": commands,
    ".env.example": lambda: env_example(ALL_SETTINGS),
}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (ROOT / page).write_text(make())
