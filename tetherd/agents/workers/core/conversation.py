"""A conversation on disk: one JSON object a line, appended as it happens.

A line is one write, and a write that fails is taken back: a process that is killed leaves at most a torn last line,
which opening cuts off. The file is the owner's alone (0600), and locked as long as a process has it open.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from tetherd.agents.workers.core.content import Answered, Asked, Brought, Message
from tetherd.agents.workers.core.usage import Usage
from tetherd.errors import Rejected

VERSION = 1
NAME = re.compile(r"[a-z0-9-]{1,64}")
READ_BYTES = 1 << 20
COST_DECIMALS = 9
"""Far below the price of a token: what stands behind them is what adding up in binary leaves."""


class Begun(BaseModel):
    """The first line."""

    kind: Literal["begun"] = "begun"
    version: int = VERSION


class Spent(BaseModel):
    """What the answer before cost, and how many tokens the conversation has now; None where that is not known."""

    kind: Literal["spent"] = "spent"
    cost_usd: float | None = None
    context_tokens: int | None = None


_Entry = Annotated[Begun | Spent | Asked | Answered | Brought, Field(discriminator="kind")]
_ENTRY: TypeAdapter[Begun | Spent | Message] = TypeAdapter(_Entry)


class NoConversation(Rejected):
    """There is none of this name, or it cannot be used; the text says why."""


class Conversation:
    """One that is open. `messages` are all that was kept; `cost_usd` is the sum of what is known, None for nothing.

    `context_tokens` is its size, as the newest answer had it.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        """Takes the descriptor over, which must be locked."""
        self.name = name
        self.messages: list[Message] = []
        self.cost_usd: float | None = None
        self.context_tokens: int | None = None
        self._has_unknown_costs = False
        self._descriptor = descriptor

    @classmethod
    def begin(cls, home: Path) -> Self:
        """A new one. Raises OSError."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(12)
        descriptor = os.open(_path(home, name), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        conversation = cls(name, descriptor)
        conversation._append(Begun())
        return conversation

    @classmethod
    def copy(cls, home: Path, name: str) -> Self:
        """A new one that begins with all that the one of this name holds; what that cost stays there.

        Another process may have that one open. Raises NoConversation or OSError.
        """
        origin = cls(name, _opened(home, name, os.O_RDONLY))
        try:
            origin._read()
        finally:
            origin.close()
        conversation = cls.begin(home)
        for message in origin.messages:
            conversation.add(message)
        return conversation

    @classmethod
    def load(cls, home: Path, name: str) -> Self:
        """The one of this name. Raises NoConversation or OSError."""
        conversation = cls(name, _opened(home, name, os.O_RDWR | os.O_APPEND))
        try:
            conversation._lock()
            if torn := conversation._read():
                os.ftruncate(conversation._descriptor, os.fstat(conversation._descriptor).st_size - torn)
        except BaseException:
            conversation.close()
            raise
        return conversation

    def add(self, message: Message) -> None:
        """Keep a message. Raises OSError, and then nothing is kept."""
        self._append(message)
        self.messages.append(message)

    def note(self, usage: Usage) -> None:
        """Keep what an answer used. Raises OSError."""
        context_tokens = None if usage.read is None else usage.read + (usage.written or 0)
        spent = Spent(cost_usd=usage.cost_usd, context_tokens=context_tokens)
        self._append(spent)
        self._count(spent)

    @property
    def baseline_usd(self) -> float | None:
        """What further costs add to: the known sum, or 0 where nothing has been spent. None when nobody knows."""
        return self.cost_usd if self.cost_usd is not None or self._has_unknown_costs else 0.0

    def close(self) -> None:
        os.close(self._descriptor)

    def _count(self, spent: Spent) -> None:
        self.context_tokens = spent.context_tokens or self.context_tokens
        if spent.cost_usd is None:
            self._has_unknown_costs = True
        else:
            self.cost_usd = round((self.cost_usd or 0.0) + spent.cost_usd, COST_DECIMALS)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NoConversation("another process has this conversation open") from None

    def _append(self, entry: BaseModel) -> None:
        line = entry.model_dump_json(exclude_defaults=False).encode() + b"\n"
        size = os.fstat(self._descriptor).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise

    def _read(self) -> int:
        """All that is there; returns the bytes of a torn last line."""
        data = bytearray()
        while piece := os.pread(self._descriptor, READ_BYTES, len(data)):
            data += piece
        *lines, torn = bytes(data).split(b"\n")
        for line in lines:
            try:
                entry = _ENTRY.validate_json(line)
            except ValidationError:
                continue  # a line that nobody can read is not worth the whole conversation
            match entry:
                case Begun(version=version) if version > VERSION:
                    raise NoConversation(f"a newer tetherd wrote this conversation (version {version})")
                case Begun():
                    pass
                case Spent():
                    self._count(entry)
                case _:
                    self.messages.append(entry)
        return len(torn)


def _opened(home: Path, name: str, flags: int) -> int:
    """Raises NoConversation or OSError."""
    if not NAME.fullmatch(name):
        raise NoConversation("no such conversation")
    try:
        return os.open(_path(home, name), flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NoConversation("no such conversation") from None


def _path(home: Path, name: str) -> Path:
    return home / f"{name}.jsonl"
