"""What people see of their sessions in Telegram, and what they can do there."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.bridges.chat import OWNER, Scene, pause
from tetherd.control import Delta
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, ApprovalKind, Option
from tetherd.domain.session import SessionState


async def test_a_session_has_a_topic_a_status_line_a_digest_and_an_answer(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session("Fix the test", "go")
        scene.control.say(session_id, ev.ToolCallStarted(tool_call_id="t1", tool="Bash", title="Bash: ls"))
        await pause()
        status, told, digest = scene.thread("Fix the test")
        assert status.text.startswith("▶️ Running\ndemo in /work")
        assert told.text == "💬 owner on cli\ngo"
        assert "1 step\nBash: ls" in digest.text and digest.quoted() == "Bash: ls"
        scene.write(session_id, "It is **fixed**.")
        scene.end_turn(session_id)
        await pause()
        status, told, digest, answer = scene.thread("Fix the test")
        assert status.text.startswith("💤 Waiting for input") and digest.text.startswith("✔️ 1 step")
        assert answer.text == answer.quoted() == "It is fixed."
        assert [one.is_silent for one in (status, told, digest, answer)] == [True, True, True, False]
    assert [topic.name for topic in scene.group.topics.values()] == ["Fix the test"]


async def test_a_turn_that_says_nothing_still_ends_with_a_word(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.end_turn(session_id)
        await pause()
        assert (scene.thread()[-1].text, scene.thread()[-1].is_silent) == ("✔️ Done", False)


async def test_a_tap_approves_and_the_message_says_who(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.write(session_id, "I need a look.")
        scene.ask(session_id)
        await pause()
        asked = scene.question_shown()
        assert [one.text for one in scene.thread()][-2] == "I need a look."
        assert asked.labels() == ["Approve", "Reject", "Reject with reason", "Always approve …"] and not asked.is_silent
        assert scene.thread()[0].text.startswith("🔔 Waiting for you")
        query = scene.ada.tap(asked, "Approve")
        await pause()
        assert scene.telegram.answered(query)
        (resolved,) = scene.resolutions(session_id)
        assert resolved.answer == Answer(decision="approve")
        assert asked.text.startswith("✅ Approved by @ada on telegram, 12:0") and asked.keyboard == []
        assert scene.thread()[0].text.startswith("▶️ Running")


async def test_a_rejection_carries_the_reason_that_was_asked_for(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        asked = scene.question_shown()
        scene.ada.tap(asked, "with reason")
        await pause()
        assert scene.thread()[-1].asks and "@ada, why not?" in scene.thread()[-1].text
        scene.bob.say("this one is for the agent", scene.group, scene.thread_id())
        scene.ada.say("not on a Friday", scene.group, scene.thread_id())
        await pause()
        (resolved,) = scene.resolutions(session_id)
        assert resolved.answer == Answer(decision="reject", reason="not on a Friday")
        assert scene.inputs(session_id) == ["go", "this one is for the agent"]
        assert "❌ Rejected by @ada" in asked.text and "Reason: not on a Friday" in asked.text


@pytest.mark.parametrize(
    "words, answer",
    [
        ("approve", Answer(decision="approve")),
        ("Reject", Answer(decision="reject")),
        ("reject: too slow", Answer(decision="reject", reason="too slow")),
    ],
)
async def test_the_exact_words_answer_the_one_request_that_waits(
    words: str, answer: Answer, autojump_clock: MockClock
) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        scene.ada.say(words, scene.group, scene.thread_id())
        await pause()
        assert [one.answer for one in scene.resolutions(session_id)] == [answer]
        scene.ada.say("ok", scene.group, scene.thread_id())
        scene.ada.say(words, scene.group, scene.thread_id())
        await pause()
        assert scene.inputs(session_id) == ["go", "ok", words]


async def test_words_do_not_choose_between_two_requests(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        scene.ask(session_id)
        await pause()
        assert scene.thread()[0].text.startswith("🔔 Waiting for you (2)")
        scene.ada.say("approve", scene.group, scene.thread_id())
        await pause()
        assert scene.resolutions(session_id) == [] and "2 requests wait here" in scene.thread()[-1].text


async def test_a_question_is_answered_by_button_or_by_number(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.question(session_id, "red", "green", "blue")
        await pause()
        asked = scene.question_shown()
        assert asked.labels() == ["1. red", "2. green", "3. blue", "Reject"]
        scene.ada.tap(asked, "green")
        await pause()
        scene.question(session_id, "red", "green")
        await pause()
        scene.ada.say("1", scene.group, scene.thread_id())
        await pause()
        assert [one.answer.choice for one in scene.resolutions(session_id) if one.answer] == [("o-green",), ("o-red",)]


async def test_a_plan_is_begun_or_sent_back(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id, "The plan", kind=ApprovalKind.PLAN, command=None, tool=None)
        await pause()
        assert scene.question_shown().labels() == ["Begin", "Keep planning", "Keep planning with reason"]
        scene.ada.tap(scene.question_shown(), "Keep planning")
        await pause()
        assert [one.answer for one in scene.resolutions(session_id)] == [Answer(decision="reject")]


async def test_what_was_answered_elsewhere_says_so_and_a_late_tap_is_told(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        approval_id = scene.ask(session_id)
        await pause()
        asked = scene.question_shown()
        token = asked.keyboard[0][0]["callback_data"]
        reject = cmd.AnswerApproval(
            session_id=session_id, by=OWNER, approval_id=approval_id, answer=Answer(decision="reject", reason="no")
        )
        await scene.control.submit(reject)
        await pause()
        assert asked.text.startswith("❌ Rejected by owner on cli") and asked.keyboard == []
        scene.ada.tap_with(token, asked)
        await pause()
        said = scene.telegram.calls("answerCallbackQuery")[-1].given["text"]
        assert said.startswith("Already rejected by owner on cli")
        assert len(scene.resolutions(session_id)) == 1


async def test_what_a_rule_answers_rings_nobody(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await scene.control.submit(cmd.SetMode(session_id=session_id, by=OWNER, mode="auto"))  # type: ignore[arg-type]
        scene.ask(session_id)
        await pause()
        assert not any(one.keyboard or "wants to run" in one.text for one in scene.thread())


async def test_plain_text_is_input_and_comes_back_once(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.ada.say("also the docs", scene.group, scene.thread_id())
        await pause()
        assert scene.inputs(session_id) == ["go", "also the docs"]
        assert not any("also the docs" in text for text in scene.texts())


async def test_edited_messages_and_general_chatter_are_no_input(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        message = scene.ada.say("first", scene.group, scene.thread_id())
        await pause()
        scene.ada.edit(message, "rm -rf /")
        scene.ada.say("lunch?", scene.group)
        await pause()
        assert scene.inputs(session_id) == ["go", "first"]


async def test_a_renamed_session_renames_its_topic_and_a_deleted_one_closes_it(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session("Old")
        await pause()
        await scene.control.submit(cmd.RenameSession(session_id=session_id, by=OWNER, name="New"))
        await pause()
        assert [topic.name for topic in scene.group.topics.values()] == ["New"]
        await scene.control.submit(cmd.StopSession(session_id=session_id, by=OWNER))
        scene.control.end(session_id)
        await pause()
        assert scene.control.views[session_id].session.state is SessionState.ENDED
        assert scene.thread("New")[0].text.startswith("⏹ Ended: stopped")
        await scene.control.submit(cmd.DeleteSession(session_id=session_id, by=OWNER))
        await pause()
        assert [topic.is_closed for topic in scene.group.topics.values()] == [True]
        assert await scene.state.owed() == 0 and not any(key.endswith(session_id) for key in await scene.state.recall())


async def test_labels_of_any_length_and_kind_become_buttons(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        options = tuple(
            Option(option_id="o" * 300 + str(n), label="ä🙂" * 100 + str(n), decision="approve") for n in range(2)
        )
        scene.ask(session_id, "Which?", kind=ApprovalKind.QUESTION, options=options, command=None)
        await pause()
        scene.ada.tap(scene.question_shown(), "2. ")
        await pause()
        assert [one.answer.choice for one in scene.resolutions(session_id) if one.answer] == [(options[1].option_id,)]


async def test_text_that_is_being_written_is_seen_and_then_replaced_by_the_answer(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        for n in range(20):
            scene.control.show(Delta(session_id, "m1", "message", n * 5, f"w{n:02} "))
            await pause(1)
        live = scene.thread()[-1]
        assert live.text.startswith("⚙️ Writing\n… w00 w01") and live.quoted().startswith("… w00")
        assert 2 <= live.edits <= 8 and live.is_silent
        scene.write(session_id, "w00 to w19")
        scene.end_turn(session_id)
        await pause()
        assert [one.text for one in scene.thread()][-2:] == ["✔️ Written", "w00 to w19"]


async def test_a_running_turn_shows_that_something_is_written(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        typed = scene.telegram.calls("sendChatAction")
        assert typed and typed[-1].given == {
            "chat_id": scene.group.chat_id,
            "message_thread_id": scene.thread_id(),
            "action": "typing",
        }
        scene.end_turn(session_id)
        await pause(10)
        before = len(scene.telegram.calls("sendChatAction"))
        await pause(60)
        assert len(scene.telegram.calls("sendChatAction")) == before


def numbered(*questions: tuple[str, ...]) -> dict[str, object]:
    """An approval's fields for questions as Claude Code asks them."""
    options = tuple(
        Option(option_id=f"{n}.{place}", label=label, description=f"as {label} as it gets", decision="approve")
        for n, labels in enumerate(questions)
        for place, label in enumerate(labels)
    )
    return {"kind": ApprovalKind.QUESTION, "options": options, "command": None, "tool": None}


async def test_several_choices_are_marked_and_sent_together(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id, "Which?", **numbered(("red", "green", "blue")))
        await pause()
        asked = scene.question_shown()
        assert asked.labels() == ["1. red", "2. green", "3. blue", "Several …", "Other …", "Reject"]
        assert "2. green: as green as it gets" in asked.quoted()
        scene.ada.tap(asked, "Several")
        await pause()
        scene.ada.tap(asked, "Send")
        for label in ("red", "green", "blue", "green"):
            scene.ada.tap(asked, label)
            await pause()
        assert asked.labels() == ["✓ 1. red", "2. green", "✓ 3. blue", "Send", "Other …", "Reject"]
        scene.ada.tap(asked, "Send")
        await pause()
        (resolved,) = scene.resolutions(session_id)
        assert resolved.answer == Answer(decision="approve", choice=("0.0", "0.2"))
        assert asked.keyboard == [] and "marked/" not in str(await scene.state.recall())


async def test_two_questions_at_once_are_answered_together(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id, "Which, and where?", **numbered(("red", "green"), ("here", "there")))
        await pause()
        for label in ("green", "here"):
            scene.ada.tap(scene.question_shown(), label)
            await pause()
        scene.ada.tap(scene.question_shown(), "Send")
        await pause()
        (resolved,) = scene.resolutions(session_id)
        assert resolved.answer == Answer(decision="approve", choice=("0.1", "1.0"))


async def test_a_question_is_answered_in_own_words(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id, "Which?", **numbered(("red", "green")))
        await pause()
        scene.ada.tap(scene.question_shown(), "Other")
        await pause()
        scene.ada.say("a warm grey", scene.group, scene.thread_id())
        await pause()
        assert [one.answer for one in scene.resolutions(session_id)] == [Answer(decision="approve", text="a warm grey")]
        assert scene.inputs(session_id) == ["go"]


async def test_what_a_tool_is_given_is_shown(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(
            session_id, "Search", kind=ApprovalKind.TOOL, command=None, tool="mcp__web__search", input={"q": "<b>ö"}
        )
        await pause()
        asked = scene.question_shown()
        assert '"q": "<b>ö"' in asked.quoted()


async def test_what_is_asked_beside_the_turn_stays_open_behind_it(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id, outlives_turn=True)
        scene.end_turn(session_id)
        await pause()
        assert scene.thread()[0].text.startswith("🔔 Waiting for you")
        scene.ada.tap(scene.question_shown(), "Approve")
        await pause()
        assert len(scene.resolutions(session_id)) == 1 and scene.thread()[0].text.startswith("💤 Waiting for input")
