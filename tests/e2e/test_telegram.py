"""A real daemon, its demo agent and two people in a Telegram group."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.claude import bash, call, claude_daemon
from tests.e2e.daemon import Json, idle_daemon, of_type, until
from tests.e2e.telegram import TOKEN, live_telegram
from tests.emulators.script import prompt


def test_a_session_from_its_first_word_in_a_chat_to_its_end() -> None:
    with live_telegram() as chat, idle_daemon() as daemon:
        chat.set_up(daemon)
        daemon.start()
        group, ada, bob = chat.group, chat.ada, chat.bob
        until(lambda: chat.do(lambda: bool(chat.server.commands)), "the menu")
        chat.do(lambda: ada.say("/new demo edit NOTES.md", group))

        # a topic, and a request that is approved with a button
        asked = chat.wait_for_question("NOTES.md")
        thread = asked.thread
        assert thread is not None and asked.labels() == ["Approve", "Reject", "Reject with reason", "Always approve …"]
        assert "Looked after" in asked.quoted(), "the diff"
        chat.do(lambda: ada.tap(asked, "Approve"))
        chat.wait_for(lambda one: one is asked and "✅ Approved by @ada on telegram" in one.text, "who approved")
        until(lambda: (daemon.home / "work" / "NOTES.md").exists(), "the file")

        # a follow-up, rejected with a reason
        chat.do(lambda: bob.say("run touch made-by-an-agent", group, thread))
        second = chat.wait_for_question("touch made-by-an-agent")
        chat.do(lambda: bob.tap(second, "with reason"))
        chat.wait_for(lambda one: one.asks, "the question why")
        chat.do(lambda: bob.say("not on a Friday", group, thread))
        chat.wait_for(lambda one: one is second and "Reason: not on a Friday" in one.text, "the reason")
        assert not (daemon.home / "work" / "made-by-an-agent").exists()

        # a pattern, approved for ten minutes: the next one is not asked
        chat.do(lambda: ada.say("run touch always-one", group, thread))
        always = chat.wait_for_question("touch always-one")
        for label, then in (("Always approve", "touch …"), ("touch …", "10 min"), ("10 min", "")):
            chat.do(lambda label=label: ada.tap(always, label))  # type: ignore[misc]
            if then:
                chat.wait_for(lambda one, then=then: one is always and then in one.labels(), then)  # type: ignore[misc]
        chat.wait_for(lambda one: "Bash(touch *)" in one.quoted(), "the rule")
        chat.do(lambda: ada.say("run touch always-two", group, thread))
        until(lambda: (daemon.home / "work" / "always-two").exists(), "the second file, unasked")

        # a question, answered with a choice
        chat.do(lambda: ada.say("ask", group, thread))
        question = chat.wait_for_question("Which colour")
        chat.do(lambda: ada.tap(question, "green"))
        chat.wait_for(lambda one: "green" in one.quoted() and one.thread == thread and one is not question, "green")

        # somebody else is first, from the command line
        chat.do(lambda: ada.say("@hold", group, thread))
        held = chat.wait_for(lambda one: bool(one.keyboard) and one not in (asked, second, question), "the hold")
        assert daemon.tetherctl("reject", "--reason", "seen at the desk").returncode == 0
        chat.wait_for(lambda one: one is held and "on cli" in one.text and not one.keyboard, "who was first")
        chat.wait_for_text("verdict: reject")

        # an interrupt
        chat.do(lambda: ada.say("@sleep 600", group, thread))
        until(lambda: daemon.get("/api/status")["sessions"].get("running"), "a running turn")
        chat.do(lambda: ada.say("/interrupt", group, thread))
        chat.wait_for_text("✋ Interrupted")
        chat.do(lambda: ada.say("/stop", group, thread))
        chat.wait_for_text("⏹ Ended: stopped")

        # what the log says of it
        decided = [one["data"] for one in of_type(daemon.events(), "approval_resolved")]
        assert [one["by"]["kind"] for one in decided].count("policy") == 1
        decided = [one for one in decided if one["by"]["kind"] == "actor"]
        assert [(one["answer"]["decision"], _who(one)) for one in decided] == [
            ("approve", ("@ada", "telegram", "11")),
            ("reject", ("Bob", "telegram", "12")),
            ("approve", ("@ada", "telegram", "11")),
            ("approve", ("@ada", "telegram", "11")),
            ("reject", ("local owner", "cli", None)),
        ]
        bridge = next(one for one in daemon.get("/api/bridges")["bridges"] if one["name"] == "telegram")
        assert (bridge["state"], bridge["trouble"]) == ("running", None)
        check = daemon.tetherctl("bridges", "check")
        assert check.returncode == 0, check.stdout
        assert daemon.stop()[0] == 0
        assert TOKEN not in daemon.log + daemon.output


def _who(resolved: Json) -> tuple[str, str, str | None]:
    actor = resolved["by"]["actor"]
    return actor["principal"]["name"], actor["surface"], actor["device"]


def test_a_daemon_without_a_bridge_says_how_to_set_one_up() -> None:
    with idle_daemon() as daemon:
        daemon.start()
        refused = daemon.tetherctl("bridges", "pair", "telegram")
        assert refused.returncode == 1 and "set TELEGRAM_BOT_TOKEN" in refused.stderr
        assert daemon.get("/api/bridges")["bridges"][0]["state"] == "off"


@pytest.mark.agents
def test_the_real_claude_code_in_a_chat() -> None:
    with live_telegram() as chat, claude_daemon() as (daemon, _):
        chat.set_up(daemon)
        daemon.start()
        ada, group = chat.ada, chat.group
        chat.do(lambda: ada.say("/new claude", group))
        chat.wait_for_text("Waiting for input")
        thread = chat.do(lambda: max(group.topics))

        def send(*steps: dict[str, object]) -> None:
            chat.do(lambda: ada.say(prompt(*steps), group, thread))

        send({"say": "I will look.", "call": [bash("touch made")]}, {"say": "It is **made**."})
        asked = chat.wait_for_question("touch made")
        chat.do(lambda: ada.tap(asked, "Approve"))
        chat.wait_for(lambda one: one.quoted() == "It is made.", "the answer")
        assert (daemon.home / "work" / "made").exists()
        assert "I will look." in chat.texts()

        send({"call": [bash("rm made")]}, {"say": "Then not."})
        second = chat.wait_for_question("rm made")
        chat.do(lambda: ada.tap(second, "with reason"))
        chat.wait_for(lambda one: one.asks, "the question why")
        chat.do(lambda: ada.say("keep it", group, thread))
        chat.wait_for(lambda one: one is second and "Reason: keep it" in one.text, "the reason")
        chat.wait_for(lambda one: one.quoted() == "Then not.", "the answer")
        assert (daemon.home / "work" / "made").exists()

        colour = {"question": "Which colour?", "header": "Colour", "multiSelect": False}
        options = [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]
        send({"call": [call("AskUserQuestion", questions=[{**colour, "options": options}])]}, {"say": "Blue it is."})
        question = chat.wait_for_question("Which colour?")
        chat.do(lambda: ada.tap(question, "Blue"))
        chat.wait_for(lambda one: one.quoted() == "Blue it is.", "the answer")
        chat.do(lambda: ada.say("/stop", group, thread))
        chat.wait_for_text("⏹ Ended: stopped")


def test_a_bridge_comes_and_goes_with_a_reload_of_the_settings() -> None:
    with live_telegram() as chat, idle_daemon() as daemon:
        daemon.start()
        settings = daemon.home / "config" / "tether" / "config.env"
        before = settings.read_text()
        rows = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_FORUM_GROUP_ID": str(chat.group.chat_id)}
        rows |= {"TELEGRAM_ALLOWED_USER_IDS": "11", "TELEGRAM_API_BASE": chat.base}
        settings.write_text(before + "".join(f"{key}={value}\n" for key, value in rows.items()))

        def state() -> str:
            return str(daemon.get("/api/bridges")["bridges"][0]["state"])

        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: state() == "running", "the bridge to run")
        until(lambda: chat.do(lambda: bool(chat.server.commands)), "its menu")
        settings.write_text(before)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: state() == "off", "the bridge to be off", 5.0)
        assert TOKEN not in daemon.log
