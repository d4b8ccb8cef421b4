"""What people can type: lists and their pages, sessions, files, and a chat without threads."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from trio.testing import MockClock

from tests.bridges.chat import OWNER, Scene, eventually, pause
from tests.emulators.telegram_people import Person
from tetherd.bridge import Change
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev


async def test_the_list_has_pages_numbers_and_a_search(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        for n in range(23):
            await scene.session(f"task {n:02}")
        await pause(600)
        scene.ada.say("/list", scene.group)
        await pause()
        shown = [one for one in scene.group.messages.values() if "Sessions" in one.text][-1]
        assert shown.text.startswith("Sessions 1 to 10 of 23\n1. task 22  running, demo")
        assert shown.labels() == ["Refresh", "Next"]
        scene.ada.tap(shown, "Next")
        await pause()
        assert shown.text.startswith("Sessions 11 to 20 of 23\n11. task 12") and "Prev" in shown.labels()
        scene.ada.tap(shown, "Next")
        await pause()
        assert shown.text.startswith("Sessions 21 to 23 of 23\n21. task 02") and shown.labels() == ["Prev", "Refresh"]
        scene.ada.say("/list task 1", scene.group)
        await pause()
        assert any(text.startswith("Sessions 1 to 10 of 10 like 'task 1'\n1. task 19") for text in scene.texts())
        scene.ada.say("/attach 3", scene.group)
        await pause()
        link = f"https://t.me/c/1234567890/{scene.thread_id('task 17')}"
        assert scene.texts()[-1] == f"Here it is: task 17 → {link}"
        for wrong in ("/attach", "/attach 0", "/attach 999", "/attach x", "/attach ²"):
            scene.ada.say(wrong, scene.group)
        await pause()
        assert scene.texts()[-5:] == ["/attach takes a number of the last /list."] * 5


async def test_a_session_of_before_our_time_is_brought_by_attach(autojump_clock: MockClock) -> None:
    scene = Scene()
    session_id = await scene.session("old")
    scene.end_turn(session_id)
    async with scene.open():
        await pause()
        assert scene.group.topics == {}, "no topic for what nobody asked for"
        scene.ada.say("/list", scene.group)
        scene.ada.say("/attach 1", scene.group)
        await pause()
        assert scene.thread("old")[0].text.startswith("💤 Waiting for input")
        scene.ada.say("go on", scene.group, scene.thread_id("old"))
        await pause()
        assert scene.inputs(session_id) == ["go", "go on"]


async def test_a_session_is_steered_from_its_thread(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.control.say(session_id, ev.UsageReported(input_tokens=1200, output_tokens=34, cost_usd=0.5))
        await pause()
        thread = scene.thread_id()
        for word in ("/status", "/usage", "/interrupt"):
            scene.ada.say(word, scene.group, thread)
            await pause()
        texts = scene.texts()
        assert any(text.startswith("Work: running\nAgent: demo, mode: ask, turns: 1") for text in texts)
        assert "Work: 1,200 tokens in, 34 tokens out, 0.50 USD" in texts
        assert scene.control.views[session_id].session.state == "interrupting"
        scene.ada.say("/stop", scene.group, thread)
        await pause()
        scene.control.end(session_id)
        await pause()
        scene.ada.say("too late", scene.group, thread)
        await pause()
        assert "it takes no more input" in scene.texts()[-1] and "resume it first" in scene.texts()[-1]
        scene.ada.say("/resume", scene.group, thread)
        await pause()
        assert scene.control.views[session_id].session.state == "starting"


async def test_overview_help_and_what_does_not_exist(autojump_clock: MockClock, tmp_path: Path) -> None:
    scene = Scene(directories=(tmp_path,))
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        for word in ("/status", "/help", "/start", "/stop", "/frobnicate", "/approvals"):
            scene.ada.say(word, scene.group)
            await pause()
        overview, help_text, start, stop, unknown, waiting = scene.texts()[-6:]
        assert "Sessions: 1 waiting for you\nRequests that wait for an answer: 1" in overview
        assert help_text == start and "/new" in help_text and str(tmp_path) in help_text
        assert stop == "/stop belongs into a session's thread." and unknown == "There is no /frobnicate: see /help."
        assert waiting.startswith("1 wait for an answer:\nWork: Run ls → https://t.me/c/")
        assert [one["command"] for one in scene.telegram.commands][:3] == ["list", "attach", "new"]


async def test_a_new_session_in_a_topic_has_its_directory_and_agent(autojump_clock: MockClock, tmp_path: Path) -> None:
    scene = Scene(directories=(tmp_path,))
    async with scene.open():
        first = await scene.session()
        await pause()
        view = scene.control.views[first]
        moved = view.session.model_copy(update={"directory": str(tmp_path)})
        scene.control.views[first] = replace(view, session=moved)
        thread = (await scene.state.recall())[f"thread/{first}"]
        assert isinstance(thread, dict)
        await scene.state.commit(Change(remember={f"thread/{first}": {**thread, "directory": str(tmp_path)}}))
    async with scene.open():
        scene.ada.say("/new write the docs", scene.group, scene.thread_id())
        await eventually(lambda: any(text.startswith("Started: write") for text in scene.texts()), "a new session")
        made = [one for one in scene.control.submitted if isinstance(one, cmd.CreateSession)][-1]
        assert (made.directory, made.adapter) == (str(tmp_path), "demo")


async def test_nobody_is_heard_in_a_foreign_group(autojump_clock: MockClock) -> None:
    scene = Scene()
    other = scene.telegram.forum(-1005555555555, "Elsewhere")
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        scene.ada.say("/list", other)
        scene.ada.say("/approvals", other)
        token = scene.question_shown().keyboard[0][0]["callback_data"]
        scene.ada.tap_with(token, scene.telegram.message_in(other, scene.telegram.bot, "forged"))
        await pause()
        assert scene.texts(other) == ["forged"] and scene.resolutions(session_id) == []


# -- one person, in private --------------------------------------------------------------------------------------


async def test_in_private_each_message_says_whose_it_is_and_replies_go_there(autojump_clock: MockClock) -> None:
    scene = Scene(private=True)
    private = scene.ada.private
    async with scene.open():
        one, two = await scene.session("one"), await scene.session("two")
        for session_id in (one, two):
            scene.write(session_id, "done")
            scene.end_turn(session_id)
        await pause()
        assert [text for text in scene.texts(private) if "done" in text] == ["one\ndone", "two\ndone"]
        scene.ada.say("which?")
        await pause()
        assert scene.texts(private)[-1].startswith("Which session?")
        answer = next(message for message in private.messages.values() if message.text == "one\ndone")
        scene.ada.reply(answer, "go on")
        await pause()
        assert scene.inputs(one) == ["go", "go on"] and scene.inputs(two) == ["go"]
        scene.ada.say("/list")
        await pause()
        scene.ada.say("/attach 1")
        await pause()
        scene.ada.say("and you?")
        await pause()
        assert scene.inputs(two) == ["go", "and you?"]
        approval_id = scene.ask(two)
        await pause()
        scene.ada.tap([message for message in private.messages.values() if message.keyboard][-1], "Approve")
        await pause()
        assert scene.control.approvals[approval_id].state == "resolved"
    assert scene.group.messages == {}


async def test_in_private_with_topics_each_session_has_its_own(autojump_clock: MockClock) -> None:
    scene = Scene(private=True)
    scene.telegram.private_topics = True
    async with scene.open():
        session_id = await scene.session("one")
        await pause()
        (thread,) = scene.ada.private.topics
        scene.ada.say("go on", scene.ada.private, thread)
        await pause()
        assert scene.inputs(session_id) == ["go", "go on"]


async def test_without_a_home_the_first_who_is_paired_makes_one(autojump_clock: MockClock) -> None:
    scene = Scene(private=True)
    scene.settings = {}
    session_id = await scene.session("one")
    later = {"code": "ABCDEF0123", "expires_at": "2030-01-01T00:00:00+00:00", "tries": 0}
    await scene.state.commit(Change(remember={"pairing": dict(later)}))
    async with scene.open():
        scene.write(session_id, "nobody is there")
        scene.end_turn(session_id)
        await pause()
        assert scene.texts(scene.bob.private) == []
        scene.bob.say("/pair ABCDEF0123")
        await pause()
        scene.ask(session_id)
        await pause()
        assert any("Run ls" in text for text in scene.texts(scene.bob.private))


def content(path: str) -> bytes:
    return Path(path).read_bytes()


# -- files -------------------------------------------------------------------------------------------------------


async def test_files_reach_the_agent_by_their_paths(autojump_clock: MockClock, tmp_path: Path) -> None:
    scene = Scene()
    scene.files_dir = tmp_path
    async with scene.open():
        session_id = await scene.session()
        await pause()
        thread = scene.thread_id()
        scene.ada.photo(b"jpeg", "look at this", scene.group, thread)
        await eventually(lambda: len(scene.inputs(session_id)) == 2, "a photo")
        scene.ada.document("../../etc/pass wd\n.txt", b"text", scene.group, thread)
        await eventually(lambda: len(scene.inputs(session_id)) == 3, "a document")
        photo, document = scene.inputs(session_id)[1:]
        found = re.fullmatch(r"look at this\n\[attached file: (\S+)\]", photo)
        assert found and content(found[1]) == b"jpeg"
        found = re.fullmatch(r"\[attached file: (\S+)\]", document)
        assert found and content(found[1]) == b"text"
        assert Path(found[1]).parent == tmp_path / session_id, "below the bridge's own folder, whatever it was called"


async def test_an_album_is_one_input(autojump_clock: MockClock, tmp_path: Path) -> None:
    scene = Scene()
    scene.files_dir = tmp_path
    async with scene.open():
        session_id = await scene.session()
        await pause()
        for n in range(3):
            caption = "three of them" if n == 0 else ""
            scene.ada.photo(f"jpeg {n}".encode(), caption, scene.group, scene.thread_id(), media_group_id="g1")
        await eventually(lambda: len(scene.inputs(session_id)) == 2, "an album")
        text = scene.inputs(session_id)[1]
        paths = re.findall(r"\[attached file: (\S+)\]", text)
        assert text.startswith("three of them\n")
        assert [content(path) for path in paths] == [b"jpeg 0", b"jpeg 1", b"jpeg 2"]


async def test_a_file_that_is_too_large_is_refused_in_words(autojump_clock: MockClock, tmp_path: Path) -> None:
    scene = Scene()
    scene.files_dir = tmp_path
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.ada.document("big.bin", b"x" * (20 * 1024 * 1024 + 1), scene.group, scene.thread_id())
        await eventually(lambda: any("too big" in text for text in scene.texts()), "a refusal")
        assert scene.inputs(session_id) == ["go"]


async def test_names_of_people_are_text(autojump_clock: MockClock) -> None:
    scene = Scene()
    mallory = Person(scene.telegram, scene.ada.user_id, "</code><b>owner</b>\u202e on cli, 12:00" + "x" * 200)
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id)
        await pause()
        mallory.tap(scene.question_shown(), "Approve")
        await pause()
        shown = next(one for one in scene.thread() if "Approved" in one.text)
        first = shown.text.split("\n")[0]
        assert first.endswith("on telegram, 12:00 UTC") and "\u202e" not in first and "<b>owner</b>" in first
        assert OWNER not in [one.by for one in scene.resolutions(session_id)]
