"""Always approve: for which calls, how long, and an end of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from trio.testing import MockClock

from tests.bridges.chat import Scene, pause
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import ApprovalKind
from tetherd.domain.rule import Effect, Rule, Wanted


def wanted(scene: Scene) -> list[Wanted | None]:
    return [one.always for one in scene.control.submitted if isinstance(one, cmd.AnswerApproval)]


async def test_a_pattern_is_approved_for_ten_minutes(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id, command="touch one two")
        await pause()
        asked = scene.question_shown()
        scene.ada.tap(asked, "Always approve")
        await pause()
        assert asked.labels() == ["Exactly this", "touch …", "All of Bash", "Back"]
        scene.ada.tap(asked, "touch")
        await pause()
        assert asked.labels() == ["10 min", "30 min", "2 h", "This session", "Back"]
        scene.ada.tap(asked, "10 min")
        await pause()
        assert wanted(scene) == [Wanted("session", timedelta(minutes=10), "Bash(touch *)")]
        (rule,) = [one.rule for one in scene.control.events(session_id) if isinstance(one, ev.RuleGranted)]
        assert (rule.tool, rule.session_id, rule.author and rule.author.device) == ("Bash(touch *)", session_id, "11")
        assert asked.text.startswith("✅ Approved by @ada") and asked.keyboard == []
        assert any("📏 Rule" in one.text and "Bash(touch *)" in one.quoted() for one in scene.thread())


async def test_back_leads_back_and_exactly_this_is_narrow(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.edit(session_id, "+x\n")
        await pause()
        asked = scene.question_shown()
        first = asked.labels()
        scene.ada.tap(asked, "Always")
        await pause()
        assert asked.labels() == ["Exactly this", "Edits in work/", "All of Edit", "Back"]
        scene.ada.tap(asked, "Edits in")
        await pause()
        scene.ada.tap(asked, "Back")
        await pause()
        assert asked.labels() == first
        for label in ("Always", "Exactly", "This session"):
            scene.ada.tap(asked, label)
            await pause()
        assert wanted(scene) == [Wanted("session", None, None)]


@pytest.mark.parametrize("kind", [ApprovalKind.QUESTION, ApprovalKind.PLAN])
async def test_questions_and_plans_are_never_always(kind: ApprovalKind, autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        scene.ask(session_id, kind=kind, command=None)
        await pause()
        assert not any("Always" in label for label in scene.question_shown().labels())


async def test_what_no_rule_can_say_is_told_and_still_waits(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        approval_id = scene.ask(session_id, command="cd x && touch a")
        await pause()
        asked = scene.question_shown()
        for label in ("Always", "cd …", "30 min"):
            scene.ada.tap(asked, label)
            await pause()
        assert "would not allow what was asked" in scene.telegram.calls("answerCallbackQuery")[-1].given["text"]
        assert scene.control.approvals[approval_id].state == "pending"


async def test_rules_are_listed_and_ended(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with scene.open():
        session_id = await scene.session()
        await pause()
        scene.rules.granted["g-1"] = Rule(
            rule_id="g-1", effect=Effect.ALLOW, tool="Bash(make *)", session_id=session_id
        )
        scene.rules.granted["g-2"] = Rule(rule_id="g-2", effect=Effect.ALLOW, tool="Bash", session_id="s-other")  # type: ignore[arg-type]
        scene.ada.say("/rules", scene.group, scene.thread_id())
        await pause()
        shown = scene.thread()[-1]
        assert shown.text.startswith("Rules\n1. allow Bash(make *)") and shown.labels() == ["End 1"]
        scene.ada.tap(shown, "End 1")
        await pause()
        assert [(rule_id, by.device) for rule_id, by in scene.rules.ended] == [("g-1", "11")]
        scene.ada.tap(shown, "End 1")
        scene.ada.say("/rules", scene.group, scene.thread_id())
        await pause()
        assert scene.telegram.calls("answerCallbackQuery")[-1].given["text"] == "no rule g-1"
        assert scene.texts()[-1].startswith("Nothing is approved without asking")
