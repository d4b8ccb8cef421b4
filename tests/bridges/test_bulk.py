"""Much at once: all delivered, in order, readable, and within what a group may have."""

from __future__ import annotations

import re

from trio.testing import MockClock

from tests.bridges.chat import Scene, pause
from tetherd.domain import events as ev

HOUR = 3600.0


async def test_an_answer_of_a_megabyte_comes_as_a_file_with_its_beginning(autojump_clock: MockClock) -> None:
    text = "".join(f"Line {n} is **here**.\n" for n in range(45_000))
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.write(session_id, text)
        scene.end_turn(session_id)
        await pause()
        preview, file = scene.thread()[-2:]
        assert preview.text.startswith("Line 0 is here.\nLine 1 is here.") and "all 1,0" in preview.text
        assert file.file is not None and file.file.data.decode() == text.strip("\n")
        assert [preview.is_silent, file.is_silent] == [True, False]


async def test_an_answer_of_three_messages_is_whole_and_numbered(autojump_clock: MockClock) -> None:
    code = "\n".join(f"    x{n} = {n}  # <&>" for n in range(250))
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.write(session_id, f"Before\n\n````python\n```inner\n{code}\n```\n````\nAfter")
        scene.end_turn(session_id)
        await pause()
        pieces = [one for one in scene.thread() if re.match(r"\(\d/\d\)\n", one.text)]
        assert len(pieces) > 1
        together = "".join(one.text.partition("\n")[2] for one in pieces)
        assert "".join(together.split()) == "".join(f"Before ```inner {code} ``` After".split())
        assert all(any(e["type"] == "pre" for e in one.entities) for one in pieces)
        assert all(one.quoted() for one in pieces)


async def test_tables_keep_their_columns_and_links_to_files_are_shown(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.write(
            session_id, "| a | b |\n|--|--|\n| 1 | 22 |\n\nsee [it](src/x.py) or [web](https://example.org/?a=1&b=2)"
        )
        scene.end_turn(session_id)
        await pause()
        answer = scene.thread()[-1]
        assert answer.text == "a │ b\n──┼───\n1 │ 22\n\nsee it src/x.py or web"
        assert [one["url"] for one in answer.entities if one["type"] == "text_link"] == ["https://example.org/?a=1&b=2"]


async def test_names_and_requests_of_any_size_are_shown(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session("n" * 80 + "🙂" * 100)
        scene.ask(session_id, "t" * 5000, tool="mcp__" + "x" * 200, command="c🙂" * 40_000)
        scene.edit(session_id, "--- a\n+++ b\n" + "".join(f"+line {n}\n" for n in range(3000)))
        await pause()
        name = next(topic.name for topic in scene.group.topics.values())
        shown = [one for one in scene.thread(name) if one.keyboard]
        files = [one.file.data.decode() for one in scene.thread(name) if one.file]
        assert len(shown) == 2 and len(files) == 2
        assert "mcp__" + "x" * 200 in shown[0].text and "more characters" in shown[0].text
        assert "c🙂" * 40_000 in files[0] and "+line 2999" in files[1]


async def test_forty_requests_in_a_burst_all_come_and_all_can_be_answered(autojump_clock: MockClock) -> None:
    scene = Scene(limits=True)
    async with scene.open():
        session_id = await scene.session()
        for n in range(40):
            scene.ask(session_id, f"request {n:02}")
        await pause(HOUR)
        asked = [one for one in scene.thread() if one.keyboard]
        numbers = [re.search(r"request (\d\d)", one.text) for one in asked]
        assert [int(found[1]) for found in numbers if found] == list(range(40)), "in their order"
        assert scene.thread()[0].text.startswith("🔔 Waiting for you (40)")
        for one in asked:
            scene.ada.tap(one, "Approve")
        await pause(HOUR)
        assert len(scene.resolutions(session_id)) == 40
        assert all(one.text.startswith("✅ Approved") and not one.keyboard for one in asked)
        assert not [call for call in scene.telegram.journal if call.error]


async def test_ten_sessions_share_what_a_group_may_have(autojump_clock: MockClock) -> None:
    scene = Scene(limits=True)
    async with scene.open():
        sessions = [await scene.session(f"session {n}") for n in range(10)]
        for step in range(20):
            for session_id in sessions:
                call = ev.ToolCallStarted(tool_call_id=f"t{step}", tool="Bash", title=f"Bash: step {step}")
                scene.control.say(session_id, call)
            await pause(3)
        for n, session_id in enumerate(sessions):
            scene.write(session_id, f"answer {n}")
            scene.end_turn(session_id)
        await pause(HOUR)
        assert not [call for call in scene.telegram.journal if call.error], "never once too fast"
        for n in range(10):
            status, told, digest, answer = scene.thread(f"session {n}")
            assert status.text.startswith("💤 Waiting for input") and told.text.endswith("go")
            assert "20 steps" in digest.text and "step 19" in digest.text and answer.text == f"answer {n}"
        sent = scene.telegram.calls("sendMessage", "editMessageText", "createForumTopic")
        assert len(sent) < 100, "changes are gathered while they wait"
        last = max(call.at for call in sent)
        assert last < 8 * 60


async def test_messages_of_one_thread_come_in_their_order(autojump_clock: MockClock) -> None:
    scene = Scene(limits=True)
    async with scene.open():
        session_id = await scene.session()
        for n in range(30):
            scene.write(session_id, f"part {n}")
            scene.end_turn(session_id)
            scene.control.say(session_id, ev.TurnStarted(cause="agent"))
        await pause(HOUR)
        parts = [one.text for one in scene.thread() if one.text.startswith("part")]
        assert parts == [f"part {n}" for n in range(30)]


async def test_a_text_of_thousands_of_parts_is_whole_and_without_what_sub_agents_write(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        parts = [ev.MessageWritten(message_id="m", offset=n * 5, text=f"{n:04} ", final=n == 2499) for n in range(2500)]
        aside = ev.MessageWritten(message_id="x", offset=0, text="ASIDE", final=True, parent_tool_call_id="t")
        scene.control.say(session_id, *parts[:1300], aside, *parts[1300:])
        scene.end_turn(session_id)
        await pause(120)
        file = scene.thread()[-1].file
        assert file is not None and file.data.decode().split() == [f"{n:04}" for n in range(2500)]
