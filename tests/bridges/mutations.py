"""Breaks the bridge on purpose, one thing at a time: each must turn a test red.

`python -m tests.bridges.mutations [WORD]` works on a copy and takes some minutes; exit code 1 when one goes unnoticed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
BRIDGES = "bridges/tetherd_bridges"
TESTS = ("tests/bridges", "tests/runtime/test_bridges.py", "tests/storage/test_bridge_state.py")


class Mutation(NamedTuple):
    """`before` becomes `after` in the file; `test` is one that must fail then."""

    name: str
    file: str
    before: str
    after: str
    test: str


MUTATIONS = (
    Mutation(
        "drop the dedupe",
        f"{BRIDGES}/desk.py",
        "isinstance(incoming, Ignored) or await self._mind.state.has_heard(incoming.key)",
        "isinstance(incoming, Ignored)",
        "test_a_message_that_comes_twice_is_heard_once",
    ),
    Mutation(
        "drop Retry-After",
        f"{BRIDGES}/delivery.py",
        "window.pause(trio.current_time() + later.seconds)",
        "pass",
        "test_nothing_is_sent_before_the_time_that_telegram_named",
    ),
    Mutation(
        "cut inside a tag",
        f"{BRIDGES}/telegram/platform.py",
        'words: as_html(runs), "parse_mode"',
        'words: as_html(runs)[:3000], "parse_mode"',
        "test_an_answer_of_three_messages_is_whole_and_numbered",
    ),
    Mutation(
        "skip the authority check",
        f"{BRIDGES}/desk.py",
        "return known and (where.lane == self._mind.home or where.is_private)",
        "return True",
        "test_a_stranger_decides_nothing_and_is_logged_once",
    ),
    Mutation(
        "skip the check of the chat",
        f"{BRIDGES}/desk.py",
        "return known and (where.lane == self._mind.home or where.is_private)",
        "return known",
        "test_nobody_is_heard_in_a_foreign_group",
    ),
    Mutation(
        "no word on repeats",
        f"{BRIDGES}/telegram/render.py",
        "    if is_doubtful:\n",
        "    if False:\n",
        "test_a_send_that_may_have_arrived_is_repeated_and_says_so",
    ),
    Mutation(
        "no note before a message is posted",
        f"{BRIDGES}/delivery.py",
        "await state.begin(owed.key)",
        "pass",
        "test_a_send_that_may_have_arrived_is_repeated_and_says_so",
    ),
    Mutation(
        "buttons work on any message",
        f"{BRIDGES}/desk.py",
        "if not _is_on_it(tapped, pressed):",
        "if False:",
        "test_forged_and_foreign_buttons_do_nothing",
    ),
    Mutation(
        "buttons work for ever",
        f"{BRIDGES}/desk.py",
        "if pressed.expires_at < self._clerk.port.now():",
        "if False:",
        "test_a_button_of_long_ago_is_refused_and_approvals_makes_it_fresh",
    ),
    Mutation(
        "sessions start anywhere",
        f"{BRIDGES}/errands.py",
        "return found if any(found.is_relative_to(one.resolve()) for one in listed) else None",
        "return found",
        "test_new_sessions_start_in_listed_directories_only",
    ),
    Mutation(
        "agents speak in our shape",
        f"{BRIDGES}/richtext.py",
        "one.styles | {Style.AGENT}",
        "one.styles",
        "test_an_agent_cannot_speak_like_us",
    ),
    Mutation(
        "forwarded words are commands",
        f"{BRIDGES}/telegram/updates.py",
        'is_passed_on="forward_origin" in message or "forward_date" in message',
        "is_passed_on=False",
        "test_a_forwarded_command_is_no_command",
    ),
    Mutation(
        "no pacing",
        f"{BRIDGES}/delivery.py",
        "await trio.sleep(window.wait(trio.current_time()))",
        "await trio.sleep(0)",
        "test_ten_sessions_share_what_a_group_may_have",
    ),
    Mutation(
        "confirm what was not dealt with",
        f"{BRIDGES}/runner.py",
        "        except Unavailable as error:\n",
        "        except Unavailable as error:\n            return\n",
        "test_what_comes_while_the_daemon_is_not_ready_is_not_lost",
    ),
    Mutation(
        "secrets get through",
        f"{BRIDGES}/richtext.py",
        '"text": redacted(one.text)',
        '"text": one.text',
        "test_secrets_and_controls_do_not_get_through",
    ),
    Mutation(
        "wait for a bridge that hangs",
        "tetherd/runtime/bridges.py",
        "        with trio.move_on_after(END_SECONDS):\n",
        "        with trio.move_on_after(60 * END_SECONDS):\n",
        "test_one_that_hangs_in_its_cleanup_is_left_behind",
    ),
)


def red_tests(mutation: Mutation) -> set[str]:
    """The tests that fail with this change. Raises ValueError when it cannot be made."""
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made) / "copy"
        for name in ("tetherd", "bridges", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        file = copy / mutation.file
        text = file.read_text()
        if mutation.before not in text:
            raise ValueError(f"{mutation.name}: {mutation.file} has changed")
        file.write_text(text.replace(mutation.before, mutation.after))
        # the copy comes before what is installed
        environ = {**os.environ, "PYTHONPATH": f"{copy / 'bridges'}:{copy}", "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [sys.executable, "-m", "pytest", "-q", "--timeout", "60", "-p", "no:cacheprovider", *TESTS]
        done = subprocess.run(argv, cwd=copy, env=environ, capture_output=True, text=True)
        return set(re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE))


def main(words: list[str]) -> int:
    code = 0
    for mutation in MUTATIONS:
        if words and not any(word in mutation.name for word in words):
            continue
        red = red_tests(mutation)
        seen = mutation.test in red
        code = code if seen else 1
        print(f"{'noticed' if seen else 'NOT NOTICED':<13}{mutation.name}: {len(red)} red, {mutation.test}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
