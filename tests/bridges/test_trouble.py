"""When Telegram says no, later, nothing at all, or that something is gone."""

from __future__ import annotations

from collections import deque

import pytest
from trio.testing import MockClock

from tests.bridges.chat import TOKEN, Scene, pause
from tests.emulators.telegram import Refusal
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.errors import Misconfigured, Unavailable
from tetherd_bridges.telegram.render import MAY_REPEAT

REPEAT = MAY_REPEAT.strip()


async def test_nothing_is_sent_before_the_time_that_telegram_named(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        busy = Refusal(429, "Too Many Requests: retry after 37", retry_after=37)
        scene.telegram.faults["sendMessage"] = deque([busy])
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause(120)
        calls = [call for call in scene.telegram.journal if call.method != "getUpdates"]
        refused = next(n for n, call in enumerate(calls) if call.error)
        assert calls[refused + 1].at - calls[refused].at >= 37
        assert scene.thread()[-1].text == "the answer", "sent again, unlabelled: it was never taken"


async def test_a_send_that_may_have_arrived_is_repeated_and_says_so(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.telegram.faults["sendMessage"] = deque(["lost"])
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause(120)
        answers = [one.text for one in scene.thread() if "the answer" in one.text]
        assert answers == ["the answer", f"the answer\n{REPEAT}"]


async def test_a_send_that_cannot_have_arrived_is_repeated_in_silence(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.telegram.faults["sendMessage"] = deque(
            [Refusal(403, "Forbidden: bot was kicked from the supergroup chat")]
        )
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause(120)
        assert [one.text for one in scene.thread() if "the answer" in one.text] == ["the answer"]
        assert any(trouble and "kicked" in trouble for trouble in scene.troubles) and scene.troubles[-1] is None


async def test_an_edit_is_repeated_without_a_word(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.telegram.faults["editMessageText"] = deque(["lost", Refusal(502, "Bad Gateway")])
        scene.end_turn(session_id)
        await pause(120)
        assert scene.thread()[0].text.startswith("💤 Waiting for input")
        assert not any(REPEAT in text for text in scene.texts())


async def test_a_tap_on_a_message_whose_name_was_lost_counts(autojump_clock: MockClock) -> None:
    scene = Scene()
    session_id = await scene.session()
    async with scene.open():
        await pause()
        scene.telegram.faults["sendMessage"] = deque(["lost"])
        scene.ask(session_id)
        await pause(0.5)
        first = scene.question_shown()
        scene.ada.tap(first, "Approve")
        await pause(60)
        assert len(scene.resolutions(session_id)) == 1
        assert first.text.startswith("✅ Approved"), "the tap told its name, so it is the one that is edited"


async def test_a_deleted_topic_is_made_anew(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        first = scene.thread_id()
        scene.group.topics[first].is_deleted = True
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause()
        assert scene.thread_id() != first and [one.text for one in scene.thread()] == ["the answer"]
        scene.ada.say("go on", scene.group, scene.thread_id())
        await pause()
        assert scene.inputs(session_id) == ["go", "go on"]


async def test_a_deleted_message_is_posted_anew(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        del scene.group.messages[scene.thread()[0].message_id]
        scene.end_turn(session_id)
        await pause()
        assert any(one.text.startswith("💤 Waiting for input") for one in scene.thread())


async def test_a_group_that_moves_is_followed(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        new = scene.telegram.forum(-1009876543210)
        new.topics, new.messages = scene.group.topics, scene.group.messages
        scene.group.moved_to = new.chat_id
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause()
        assert scene.texts(new)[-1] == "the answer"
        scene.ada.say("go on", new, max(new.topics))
        await pause()
        assert scene.inputs(session_id) == ["go", "go on"]
        scene.ask(session_id)
        await pause()
        shown = [one for one in new.messages.values() if one.keyboard][-1]
        shown.chat = new
        scene.ada.tap(shown, "Approve")
        await pause()
        assert len(scene.resolutions(session_id)) == 1
    async with scene.open():
        scene.end_turn(session_id)
        await pause()
        assert scene.texts(new)[-1] == "✔️ Done", "also after a restart"


async def test_formatting_that_is_not_understood_does_not_cost_the_words(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.telegram.faults["sendMessage"] = deque([Refusal(400, "Bad Request: can't parse entities: whatever")])
        scene.write(session_id, "a **bold** <answer>")
        scene.end_turn(session_id)
        await pause()
        assert scene.thread()[-1].text == "a bold <answer>"


async def test_a_message_that_is_refused_for_good_does_not_hold_up_the_rest(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.telegram.faults["sendMessage"] = deque([Refusal(400, "Bad Request: something new")])
        scene.ask(session_id)
        await pause()
        assert not any(one.keyboard for one in scene.thread())
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause()
        assert scene.thread()[-1].text == "the answer"


async def test_a_revoked_token_parks_the_bridge(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        scene.telegram.is_revoked = True
        await pause(120)
    assert isinstance(scene.failure, ExceptionGroup) and scene.failure.subgroup(Misconfigured)
    assert "revoked" in str(scene.failure.subgroup(Misconfigured).exceptions) or scene.failure.exceptions


async def test_another_who_polls_is_named_and_waited_out(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        conflict = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
        scene.telegram.faults["getUpdates"] = deque([Refusal(409, conflict)] * 3)
        session_id = await scene.session()
        await pause(200)
        assert any(trouble and "(409)" in trouble for trouble in scene.troubles)
        scene.ada.say("still here?", scene.group, scene.thread_id())
        await pause(60)
        assert scene.inputs(session_id) == ["go", "still here?"]


async def test_what_comes_while_the_daemon_is_not_ready_is_not_lost(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.control.raises = Unavailable("recovering")
        scene.ada.say("patience", scene.group, scene.thread_id())
        await pause(60)
        assert len(scene.telegram.unconfirmed) == 1, "not acknowledged"
        scene.control.raises = None
        await pause(60)
        assert scene.inputs(session_id) == ["go", "patience"]
        assert scene.telegram.unconfirmed == []


async def test_taps_and_words_of_the_down_time_count(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        asked = scene.question_shown()
    scene.ada.tap(asked, "Approve")
    scene.ada.say("and then the docs", scene.group, scene.thread_id())
    scene.write(session_id, "written while nobody listened")
    async with scene.open():
        await pause()
        assert len(scene.resolutions(session_id)) == 1 and asked.text.startswith("✅ Approved")
        assert scene.inputs(session_id) == ["go", "and then the docs"]
        scene.end_turn(session_id)
        await pause()
        assert scene.thread()[-1].text == "written while nobody listened"


async def test_behind_a_hole_the_present_state_is_shown(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        asked = scene.question_shown()
    scene.control.say(
        session_id,
        ev.ApprovalWithdrawn(approval_id=scene.control.views[session_id].session.open_approvals[0].approval_id),
    )
    scene.ask(session_id, "Another one")
    scene.control.epoch = "e2"
    async with scene.open():
        await pause()
        assert asked.text.startswith("➖ Withdrawn") and asked.keyboard == []
        assert "Another one" in scene.question_shown().text
        assert "ℹ️ Some of what happened is not shown here. 1 requests wait for an answer." in scene.texts()


async def test_a_message_that_makes_us_fail_is_left_in_the_end(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
    scene.ada.say("poison", scene.group, scene.thread_id())
    scene.ada.say("fine", scene.group, scene.thread_id())

    def break_on_poison(command: object) -> None:
        if isinstance(command, cmd.SendInput) and command.text == "poison":
            raise ValueError("a bug")

    scene.control.breaks = break_on_poison
    for _ in range(3):
        async with scene.open():
            await pause()
        assert isinstance(scene.failure, ExceptionGroup) and scene.failure.subgroup(ValueError)
        scene.failure = None
    async with scene.open():
        await pause()
        assert scene.inputs(session_id) == ["go", "fine"] and scene.failure is None


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"message": {}},
        {"message": {"chat": {"id": "x"}, "from": 5, "text": ["a"]}},
        {"callback_query": {"id": 5, "from": None, "data": {}}},
        {"message": {"message_id": 1, "date": 0, "chat": {"id": -1001234567890, "type": "supergroup"},
                                     "from": {"id": 11, "is_bot": False, "first_name": "A"}, "text": "\ud800 \0" * 10}},
        {"callback_query": {"id": "5", "from": {"id": 11, "is_bot": False, "first_name": "A"},
                                            "chat_instance": "c", "data": "x" * 5000}},
    ],
)  # fmt: skip
async def test_odd_updates_are_passed_over(update: dict[str, object], autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.telegram.put_odd(update)
        scene.telegram.judges_itself = False
        scene.ada.say("fine", scene.group, scene.thread_id())
        await pause()
        assert scene.failure is None and scene.inputs(session_id) == ["go", "fine"]


async def test_a_group_without_topics_shows_whose_each_message_is(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.group.is_forum = False
    async with scene.open():
        session_id = await scene.session()
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause()
        answer = next(one for one in scene.group.messages.values() if "the answer" in one.text)
        assert answer.text == "Work\nthe answer" and answer.thread is None
        scene.ada.reply(answer, "go on")
        await pause()
        assert scene.inputs(session_id) == ["go", "go on"]


async def test_a_right_that_is_missing_is_named_and_nothing_is_lost(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.group.bot_rights.remove("can_manage_topics")
    async with scene.open():
        session_id = await scene.session()
        await pause()
        assert scene.failure is None
        assert any(trouble and "not enough rights to create a topic" in trouble for trouble in scene.troubles)
        findings = {
            one.what: one.ok
            for one in await scene.bridge.check(scene.port({"TELEGRAM_BOT_TOKEN": TOKEN, **scene.settings}))
        }
        assert findings["the bot may: Manage topics"] is False and findings["the group has topics"] is True
        scene.group.bot_rights.add("can_manage_topics")
        await pause(120)
        assert scene.thread()[0].text.startswith("▶️ Running") and scene.troubles[-1] is None
        scene.write(session_id, "the answer")
        scene.end_turn(session_id)
        await pause()
        assert scene.thread()[-1].text == "the answer"


async def test_telegram_that_is_away_at_the_start_is_waited_for(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.telegram.faults["getMe"] = deque(["unreached", Refusal(502, "Bad Gateway")])
    async with scene.open():
        session_id = await scene.session()
        await pause(60)
        assert scene.failure is None and scene.thread()
        assert any(trouble and "cannot be reached" in trouble for trouble in scene.troubles)
        scene.ada.say("hello", scene.group, scene.thread_id())
        await pause()
        assert scene.inputs(session_id) == ["go", "hello"]
