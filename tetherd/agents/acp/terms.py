"""What a known agent needs beyond the protocol's own words."""

from __future__ import annotations

from dataclasses import dataclass, field

from tetherd.plugin import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """session_meta: metadata of session/new and session/load.

    asking_mode: the agent's own mode in which it asks; a session that begins in another is put into it first.
    replays_late: what it tells of a session that it loads comes behind its answer; needs `asking_mode`.
    """

    session_meta: JsonObject = field(default_factory=dict)
    asking_mode: str | None = None
    replays_late: bool = False
