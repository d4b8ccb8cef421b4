"""A rule: what it is about, and what it says."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, model_validator

from tetherd.domain.ids import Actor, Asker, Frozen, SessionId
from tetherd.domain.patterns import ToolPattern


class Effect(StrEnum):
    """What a rule says, strongest first."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"


class Rule(Frozen):
    """One rule. What is None in it does not matter to it.

    tool: `Bash(git log *)`, `Edit(src/**)`, `mcp__github__*`. exact: a command, to the letter; `tool` is Bash then.
    adapter: an adapter's name, may hold `*`. directory: sessions that work there or below. path: are all files inside
    the session's directory, or is one outside? asked_by: whose turn it is. message: told to the agent that is denied.
    """

    rule_id: str
    effect: Effect
    tool: str
    exact: str | None = None
    adapter: str | None = None
    directory: str | None = None
    session_id: SessionId | None = None
    path: Literal["inside", "outside"] | None = None
    asked_by: tuple[Asker, ...] | None = None
    expires_at: AwareDatetime | None = None
    message: str | None = None
    line: int | None = None
    """Where it stands in policy.toml; None for a grant."""
    author: Actor | None = None
    made_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_a_rule(self) -> Rule:
        pattern = ToolPattern.parse(self.tool)
        if self.exact is not None and (pattern.name != "Bash" or pattern.argument is not None):
            raise ValueError("exact goes with tool Bash, without an argument")
        if self.directory is not None and not self.directory.startswith("/"):
            raise ValueError("directory is an absolute path")
        if self.message is not None and self.effect is not Effect.DENY:
            raise ValueError("only a deny rule has a message")
        return self

    def __str__(self) -> str:
        """As people read it, with all that narrows it."""
        what = f"{self.effect} {self.tool}" + (f" exactly {self.exact!r}" if self.exact is not None else "")
        asked_by = "or ".join(f"{one} " for one in self.asked_by or ()).strip()
        narrowing = (
            ("with", self.adapter),
            ("in", self.directory),
            ("in session", self.session_id),
            ("for files", self.path),
            ("asked by", asked_by),
            ("until", f"{self.expires_at:%Y-%m-%d %H:%M:%S %Z}" if self.expires_at else None),
        )
        return " ".join([what, *(f"{word} {value}" for word, value in narrowing if value)])

    @property
    def origin(self) -> str:
        return f"policy.toml line {self.line}" if self.line else f"grant {self.rule_id}"
