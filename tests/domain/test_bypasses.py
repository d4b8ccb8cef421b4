"""Every attempt is judged, and then run in a real bash: what ran is what was said."""

from __future__ import annotations

import shlex

import pytest

from tests.domain.builders import SID
from tests.domain.bypasses import ALLOWED, ASKED, DENIED
from tests.domain.stubs import Bash
from tests.domain.test_rules import NOON
from tetherd.domain.calls import command_call
from tetherd.domain.ids import SessionId
from tetherd.domain.rule import Effect, Rule
from tetherd.domain.ruling import Circumstances, Rules, Ruling

ALLOW = (
    "git log *",
    "git status *",
    "git diff *",
    *(
        f"{name} *"
        for name in [
            "ls",
            "cat",
            "echo",
            "printf",
            "sort",
            "tar",
            "find",
            "xargs",
            "env",
            "timeout",
            "bash",
            "sh",
            "sed",
            "awk",
            "nice",
            "eval",
            "command",
        ]
    ),
)
DENY = ("git push*", "evil*")
RULES = Rules(
    [
        *(Rule(rule_id=f"a{at}", effect=Effect.ALLOW, tool=f"Bash({one})") for at, one in enumerate(ALLOW)),
        *(Rule(rule_id=f"d{at}", effect=Effect.DENY, tool=f"Bash({one})") for at, one in enumerate(DENY)),
    ]
)


def ruling_on(text: str, directory: str = "/w") -> Ruling:
    where = Circumstances(session_id=SessionId(SID), adapter="demo", directory=directory, asked_by="human", now=NOON)
    return RULES.rule_on(command_call(text, None, directory), where)


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Bash:
    return Bash(tmp_path_factory.mktemp("bash"))


def is_denied(words: tuple[str, ...]) -> bool:
    return ruling_on(shlex.join(words)).effect is Effect.DENY


def is_allowed(words: tuple[str, ...]) -> bool:
    return ruling_on(shlex.join(words)).effect is Effect.ALLOW


def test_the_corpus_is_large_and_names_nothing_twice() -> None:
    attempts = (*DENIED, *ASKED)
    assert len(attempts) >= 150
    assert len({*attempts, *ALLOWED}) == len(attempts) + len(ALLOWED)


@pytest.mark.parametrize("text", DENIED)
def test_what_is_denied_would_have_run(bash: Bash, text: str) -> None:
    assert ruling_on(text).effect is Effect.DENY
    assert any(is_denied(words) for words in bash.run(text))


@pytest.mark.parametrize("text", ASKED)
def test_what_is_not_understood_is_asked(bash: Bash, text: str) -> None:
    assert ruling_on(text).effect in (Effect.ASK, None)
    bash.run(text)  # nothing is promised of it, but that it can be run here without harm


@pytest.mark.parametrize("text", ALLOWED)
def test_what_is_allowed_runs_what_is_allowed(bash: Bash, text: str) -> None:
    assert ruling_on(text).effect is Effect.ALLOW
    assert [words for words in bash.run(text) if not is_allowed(words)] == []
