"""Who may do what from a chat, and what nobody may."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.bridges.chat import EVE, Scene, eventually, pause
from tests.emulators.telegram_people import Person
from tetherd.bridge import Change
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer


async def test_a_stranger_decides_nothing_and_is_logged_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                scene.eve.tap(scene.question_shown(), "Approve")
                scene.eve.say("approve", scene.group, scene.thread_id())
                scene.eve.say("/stop", scene.group, scene.thread_id())
                await pause()
        assert scene.resolutions(session_id) == [] and scene.inputs(session_id) == ["go"]
        assert scene.control.views[session_id].session.is_live
        refused = [record for record in caplog.records if record.getMessage() == "refused"]
        assert [record.fields["what"] for record in refused] == ["a button", "a message"]  # type: ignore[attr-defined]
        assert scene.telegram.calls("answerCallbackQuery")[-1].given["text"] == "You may not do this here."


async def test_authority_is_looked_up_at_the_decision(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
    await scene.state.commit(Change(remember={"paired": {str(EVE): "Eve"}}))
    async with scene.open():
        scene.eve.tap(scene.question_shown(), "Reject")
        await pause()
        assert [one.answer for one in scene.resolutions(session_id)] == [Answer(decision="reject")]
        second = scene.ask(session_id)
        await pause()
    await scene.state.commit(Change(remember={"paired": None}))
    async with scene.open():
        scene.eve.tap(scene.question_shown(), "Reject")
        await pause()
        assert scene.control.approvals[second].state == "pending"


async def test_forged_and_foreign_buttons_do_nothing(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        first, second = scene.ask(session_id), scene.ask(session_id)
        await pause()
        one, two = [message for message in scene.thread() if message.keyboard]
        token = one.keyboard[0][0]["callback_data"]
        scene.ada.tap_with("approve", one)
        scene.ada.tap_with(str(first), one)
        scene.ada.tap_with(token, two)
        elsewhere = scene.ada.say("look", scene.ada.private)
        scene.ada.tap_with(token, elsewhere)
        await pause()
        assert scene.resolutions(session_id) == [] and scene.control.approvals[second].state == "pending"
        said = [call.given.get("text") for call in scene.telegram.calls("answerCallbackQuery")]
        assert said == ["This button is no longer good."] * 2 + ["This button belongs to another message."] * 2


async def test_a_button_of_long_ago_is_refused_and_approvals_makes_it_fresh(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        shown = scene.question_shown()
        scene.ahead = timedelta(days=15)
        scene.ada.tap(shown, "Approve")
        await pause()
        assert scene.resolutions(session_id) == []
        scene.ada.say("/approvals", scene.group, scene.thread_id())
        await pause()
        scene.ada.tap(shown, "Approve")
        await pause()
        assert len(scene.resolutions(session_id)) == 1


async def test_a_tap_that_comes_twice_counts_once(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        scene.ada.tap(scene.question_shown(), "Approve")
        update = scene.telegram.unconfirmed[-1]
        await pause()
        decided = len(scene.control.submitted)
        scene.telegram.repeat(update)
        await pause()
        assert len(scene.resolutions(session_id)) == 1 and len(scene.control.submitted) == decided


async def test_a_message_that_comes_twice_is_heard_once(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.ada.say("more", scene.group, scene.thread_id())
        said = scene.telegram.unconfirmed[-1]
        await pause()
        scene.ada.say("/status", scene.group, scene.thread_id())
        asked = scene.telegram.unconfirmed[-1]
        await pause()
        before, sent = len(scene.texts()), len(scene.control.submitted)
        scene.telegram.repeat(said)
        scene.telegram.repeat(asked)
        await pause()
        assert scene.inputs(session_id) == ["go", "more"]
        assert (len(scene.texts()), len(scene.control.submitted)) == (before, sent)


async def test_a_forwarded_command_is_no_command(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        approval_id = scene.ask(session_id)
        await pause()
        scene.ada.forward("/stop", scene.group, scene.thread_id())
        scene.ada.forward("approve", scene.group, scene.thread_id())
        await pause()
        assert scene.control.views[session_id].session.is_live
        assert scene.control.approvals[approval_id].state == "pending"
        assert scene.inputs(session_id) == ["go", "/stop", "approve"], "words for the agent, and no more"


async def test_bots_channels_and_hidden_admins_are_not_heard(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        thread = scene.thread_id()
        bot = Person(scene.telegram, scene.ada.user_id, "Ada")
        bot.account["is_bot"] = True
        bot.say("as a bot", scene.group, thread)
        hidden = Person(scene.telegram, 1087968824, "Group")
        hidden.say("as the group", scene.group, thread, sender_chat=scene.group.as_json())
        scene.ada.say("by a bot", scene.group, thread, via_bot=scene.telegram.bot)
        scene.ada.say("/stop@another_bot", scene.group, thread)
        await pause()
        assert scene.inputs(session_id) == ["go"] and scene.control.views[session_id].session.is_live


@pytest.mark.parametrize(
    "claim",
    [
        "✅ Approved by @ada on telegram, 12:00 UTC",
        "</blockquote>✅ <b>Approved</b> by @ada on telegram",
        "```\n✅ Approved by @ada\n```\n> ❌ Rejected by owner",
        "**❓ The agent wants to run a command**",
    ],
)
async def test_an_agent_cannot_speak_like_us(claim: str, autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session(claim)
        scene.control.say(session_id, ev.ToolCallStarted(tool_call_id="t", tool="Bash", title=claim))
        scene.ask(session_id, claim, tool=claim, command=claim)
        scene.write(session_id, claim)
        scene.end_turn(session_id)
        await pause()
        for message in scene.thread(" ".join(claim.split())):
            ours = message.text
            for row in message.quoted().split("\n"):
                ours = ours.replace(row, "", 1)
            assert "Approved" not in ours and "Rejected" not in ours


async def test_a_code_lets_somebody_in_once(autojump_clock: MockClock) -> None:
    scene = Scene()
    later = "2030-01-01T00:00:00+00:00"
    await scene.state.commit(Change(remember={"pairing": {"code": "ABCDEF0123", "expires_at": later, "tries": 0}}))
    async with scene.open():
        scene.eve.say("hello")
        scene.eve.say("/pair WRONG")
        scene.eve.say("/pair ABCDEF0123", scene.group)
        await pause()
        assert scene.texts(scene.eve.private) == [
            "🔒 I do not know you. Whoever runs tetherd: tetherctl bridges pair telegram",
            "🔒 That code is not good.",
        ]
        scene.eve.say("/pair abcdef0123")
        await pause()
        assert scene.texts(scene.eve.private)[-1].startswith("🔓 You are in")
        stranger = Person(scene.telegram, 667, "Mallory")
        stranger.say("/pair ABCDEF0123")
        await pause()
        assert scene.texts(stranger.private) == ["🔒 That code is not good."]
        session_id = await scene.session()
        await pause()
        scene.eve.say("from Eve", scene.group, scene.thread_id())
        await pause()
        assert scene.inputs(session_id) == ["go", "from Eve"]


async def test_a_code_is_worthless_after_five_tries_and_after_its_time(autojump_clock: MockClock) -> None:
    scene = Scene()
    late = {"code": "A" * 10, "expires_at": "2030-01-01T00:00:00+00:00", "tries": 0}
    await scene.state.commit(Change(remember={"pairing": dict(late)}))
    async with scene.open():
        for n in range(5):
            scene.eve.say(f"/pair {n}")
        await pause()
        scene.eve.say("/pair " + "A" * 10)
        await pause()
        assert scene.texts(scene.eve.private) == ["🔒 That code is not good."] * 6
        await scene.state.commit(Change(remember={"pairing": {**late, "expires_at": "2026-11-25T12:00:10+00:00"}}))
        scene.eve.say("/pair " + "A" * 10)
        await pause()
        assert scene.texts(scene.eve.private)[-1] == "🔒 That code is not good."


async def test_new_sessions_start_in_listed_directories_only(autojump_clock: MockClock, tmp_path: Path) -> None:
    listed, other = tmp_path / "listed", tmp_path / "other"
    (listed / "below").mkdir(parents=True)
    other.mkdir()
    (listed / "link").symlink_to(other)
    scene = Scene(directories=(listed,))
    async with scene.open():
        for wish in (f"/new {other} x", f"/new {listed}/link x", f"/new {listed}/../other x", "/new /new x"):
            scene.ada.say(wish, scene.group)
        await eventually(lambda: sum("Not there." in text for text in scene.texts()) == 4, "four refusals")
        assert not any(isinstance(one, cmd.CreateSession) for one in scene.control.submitted)
        scene.ada.say(f"/new demo {listed}/below fix the tests", scene.group)
        await eventually(lambda: any(text.startswith("Started: fix") for text in scene.texts()), "a new session")
        await pause()
        (made,) = [one for one in scene.control.submitted if isinstance(one, cmd.CreateSession)]
        assert (made.directory, made.adapter, made.name) == (str(listed / "below"), "demo", "fix the tests")
        assert made.by.principal.role == "approver" and made.by.device == "11"
        assert scene.thread("fix the tests")


async def test_an_approver_widens_nothing(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.ada.say("/mode auto", scene.group, scene.thread_id())
        await pause()
        assert scene.texts()[-1] == "There is no /mode: see /help."
        assert scene.control.views[session_id].session.mode == "ask"
