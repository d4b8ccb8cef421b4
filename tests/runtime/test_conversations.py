"""One conversation, one session; and what of a directory may run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tetherd.agents.trust import Trust
from tetherd.domain.ids import SessionId
from tetherd.runtime.conversations import ConversationOpen, Conversations

ONE, OTHER = SessionId("s-1"), SessionId("s-2")


def test_a_conversation_is_one_sessions_until_that_closes_it() -> None:
    open_ones = Conversations()
    open_ones.open("claude", "v-1", ONE)
    open_ones.open("claude", "v-1", ONE)
    open_ones.open("codex", "v-1", OTHER)
    open_ones.open("claude", None, OTHER)
    with pytest.raises(ConversationOpen) as refused:
        open_ones.open("claude", "v-1", OTHER)
    assert refused.value.facts() == {"session_id": ONE}
    open_ones.close(ONE)
    open_ones.open("claude", "v-1", OTHER)


def test_trust_covers_what_lies_below_and_follows_links(tmp_path: Path) -> None:
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine-too").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "mine" / "out").symlink_to(tmp_path / "other")
    (tmp_path / "in").symlink_to(tmp_path / "mine")
    trust = Trust([tmp_path / "in"])
    assert trust.covers(str(tmp_path / "mine"))
    assert trust.covers(str(tmp_path / "mine" / "deep"))
    for outside in ("mine-too", "other", "mine/out", "mine/../other", "."):
        assert not trust.covers(str(tmp_path / outside)), outside
    assert not Trust([]).covers("/")
