"""What a bridge remembers: the store's part, and the same in memory."""

from __future__ import annotations

import hmac
import json
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue
from trio import Event

from tetherd.bridge import BridgeState, Button, Change, Outgoing, ids
from tetherd_bridges.conversation.messages import ButtonShown, Message, Shown
from tetherd_bridges.conversation.thread import Thread
from tetherd_bridges.tokens import fresh_token

BUTTON_DAYS = 14
PAIRING_TRIES = 5


class Place(BaseModel):
    """A session's thread on the platform, and what it is called there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lane: str
    place: str | None
    name: str


class Reason(BaseModel):
    """Somebody was asked for words: what they write next in that chat is why they reject, or their answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: str
    approval_id: str
    digest: str
    place: str | None
    until: datetime
    decision: Literal["approve", "reject"] = "reject"


class Mind:
    """All of a bridge's memory. Only what is committed is believed."""

    def __init__(self, state: BridgeState, home: str) -> None:
        self.state = state
        self._values: dict[str, JsonValue] = {}
        self._home = home
        self._places: dict[tuple[str, str], str] = {}
        self.owed = Event()
        """Set and replaced whenever something new is owed."""

    async def load(self) -> None:
        self._values = await self.state.recall()
        self._map_places()

    async def commit(self, change: Change) -> None:
        await self.state.commit(change)
        for key, value in change.remember.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        if any(key.startswith("place/") for key in change.remember):
            self._map_places()
        if change.post or any(key.startswith("closing/") for key in change.remember):
            self.ring()

    def ring(self) -> None:
        """Something may be owed."""
        bell, self.owed = self.owed, Event()
        bell.set()

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def home(self) -> str:
        """The chat of all sessions: as it is set, else that of the first one who was paired; empty while nobody was.

        A chat that moved is called by its new name.
        """
        home = self._home or next(iter(self.paired()), "")
        moved = self._values.get(f"moved/{home}")
        return str(moved) if moved is not None else home

    def thread(self, session_id: str) -> Thread | None:
        value = self._values.get(f"thread/{session_id}")
        return None if value is None else Thread.model_validate(value)

    def threads(self) -> list[Thread]:
        return [Thread.model_validate(value) for key, value in self._values.items() if key.startswith("thread/")]

    def running(self) -> list[str]:
        """Sessions whose turn is under way."""
        return [
            key.removeprefix("thread/")
            for key, value in self._values.items()
            if key.startswith("thread/") and isinstance(value, dict) and value.get("standing") == "running"
        ]

    def place(self, session_id: str) -> Place | None:
        value = self._values.get(f"place/{session_id}")
        return None if value is None else Place.model_validate(value)

    def closing(self) -> list[tuple[str, Place]]:
        """Threads of deleted sessions that are still open."""
        found = [(key, value) for key, value in self._values.items() if key.startswith("closing/")]
        return [(key.removeprefix("closing/"), Place.model_validate(value)) for key, value in found]

    def session_at(self, lane: str, place: str) -> str | None:
        return self._places.get((lane, place))

    def current(self, lane: str) -> str | None:
        """The session that plain text in this chat is for, where there are no threads."""
        value = self._values.get(f"current/{lane}")
        return None if value is None else str(value)

    def numbers(self, lane: str) -> list[str]:
        """The sessions of the last list in this chat, by number."""
        value = self._values.get(f"numbers/{lane}")
        return [str(one) for one in value] if isinstance(value, list) else []

    def reason(self, lane: str, user_id: str) -> Reason | None:
        value = self._values.get(f"reason/{lane}/{user_id}")
        return None if value is None else Reason.model_validate(value)

    def marked(self, approval_id: str) -> list[str]:
        """What was chosen so far of a question that takes several answers."""
        value = self._values.get(f"marked/{approval_id}")
        return [str(one) for one in value] if isinstance(value, list) else []

    def paired(self) -> dict[str, str]:
        """Who was let in by a code: names by user id."""
        value = self._values.get("paired")
        return {key: str(name) for key, name in value.items()} if isinstance(value, dict) else {}

    async def move(self, old: str, new: str, change: Change) -> None:
        """A chat has got another name: so have the threads in it. To be committed with `change`."""
        change.remember[f"moved/{old}"] = new
        await self.state.move_lane(old, new)
        for key, value in self._values.items():
            if key.startswith("place/"):
                place = Place.model_validate(value)
                if place.lane == old:
                    change.remember[key] = place.model_copy(update={"lane": new}).model_dump(mode="json")

    # -- pairing -------------------------------------------------------------------------------------------------

    async def try_code(self, code: str, now: datetime, change: Change) -> bool:
        """Is this the code that was made last? It is worthless after one success or PAIRING_TRIES failures."""
        self._values = await self.state.recall()  # the daemon wrote it, not we
        pairing: Any = self._values.get("pairing")
        if not isinstance(pairing, dict) or datetime.fromisoformat(pairing["expires_at"]) < now:
            return False
        if hmac.compare_digest(str(pairing["code"]).encode(), code.strip().upper().encode(errors="replace")):
            change.remember["pairing"] = None
            return True
        tries = int(pairing["tries"]) + 1
        change.remember["pairing"] = {**pairing, "tries": tries} if tries < PAIRING_TRIES else None
        return False

    # -- outgoing ------------------------------------------------------------------------------------------------

    def outgoing(self, message: Message, now: datetime, lane: str | None = None, place: str | None = None) -> Outgoing:
        """The message as the outbox takes it, its buttons with fresh tokens."""
        buttons: list[Button] = []
        rows: list[tuple[ButtonShown, ...]] = []
        for row in message.buttons:
            shown = []
            for face in row:
                token = fresh_token()
                press = face.press.model_dump(mode="json", exclude_defaults=True)
                buttons.append(Button(token=token, press=press, expires_at=now + timedelta(days=BUTTON_DAYS)))
                shown.append(ButtonShown(label=face.label, token=token, tone=face.tone))
            rows.append(tuple(shown))
        body = Shown(
            text=message.text,
            buttons=tuple(rows),
            loud=message.loud,
            file_name=message.file.name if message.file else "",
            asks=message.asks,
            place=place,
        )
        return Outgoing(
            key=message.key,
            lane=lane or self.home,
            body=json.dumps(body.model_dump(mode="json", exclude_defaults=True)),
            session_id=ids.SessionId(message.session_id) if message.session_id else None,
            file=message.file.data if message.file else None,
            buttons=tuple(buttons),
            is_kept=message.kept,
        )

    def _map_places(self) -> None:
        self._places = {}
        for key, value in self._values.items():
            if key.startswith("place/"):
                found = Place.model_validate(value)
                if found.place is not None:
                    self._places[found.lane, found.place] = key.removeprefix("place/")
