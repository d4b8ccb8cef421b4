"""What a worker keeps on disk, whatever happens to it or its disk."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tetherd.agents.workers.core.content import Answered, Asked, Text, Thinking, ToolUse
from tetherd.agents.workers.core.conversation import Conversation, NoConversation
from tetherd.agents.workers.core.usage import Usage

HELLO = Asked(parts=(Text(text="h\u00e9llo \U0001f600"),))
ANSWER = Answered(
    model="m",
    parts=(
        Thinking(raw={"type": "thinking", "thinking": "hm", "signature": "s"}),
        ToolUse(call_id="a", name="bash", input={"command": "x", "n": [1, None]}),
        ToolUse(call_id="b", name="edit", broken='{"pa'),
    ),
)


def kept(home: Path) -> Path:
    (path,) = home.iterdir()
    return path


def begin(home: Path) -> str:
    """A conversation with two messages, closed."""
    conversation = Conversation.begin(home)
    conversation.add(HELLO)
    conversation.add(ANSWER)
    conversation.close()
    return conversation.name


def loaded(home: Path, name: str) -> Conversation:
    conversation = Conversation.load(home, name)
    conversation.close()
    return conversation


def test_what_was_kept_comes_back_and_is_the_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "conversations"
    name = begin(home)
    assert loaded(home, name).messages == [HELLO, ANSWER]
    assert stat.S_IMODE(kept(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("torn", [b'{"kind":"asked","par', b"{", b"\xff"])
def test_a_torn_last_line_is_cut_off_and_the_next_one_is_whole(tmp_path: Path, torn: bytes) -> None:
    name = begin(tmp_path)
    with kept(tmp_path).open("ab") as file:
        file.write(torn)
    conversation = Conversation.load(tmp_path, name)
    assert conversation.messages == [HELLO, ANSWER]
    conversation.add(HELLO)
    conversation.close()
    assert loaded(tmp_path, name).messages == [HELLO, ANSWER, HELLO]


def test_a_line_that_nobody_can_read_does_not_cost_the_others(tmp_path: Path) -> None:
    name = begin(tmp_path)
    lines = kept(tmp_path).read_bytes().splitlines(keepends=True)
    kept(tmp_path).write_bytes(b"".join([lines[0], b"nonsense\n", b'{"kind":"unheard_of"}\n', *lines[1:]]))
    assert loaded(tmp_path, name).messages == [HELLO, ANSWER]


def test_a_write_that_fails_in_the_middle_is_taken_back(tmp_path: Path) -> None:
    name = begin(tmp_path)
    conversation = Conversation.load(tmp_path, name)
    size = kept(tmp_path).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(OSError) as failed:
            conversation.add(Asked(parts=(Text(text="x" * 10_000),)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert failed.value.errno == errno.EFBIG
    assert conversation.messages == [HELLO, ANSWER]
    assert kept(tmp_path).stat().st_size == size
    conversation.close()


def test_two_processes_do_not_write_into_one_conversation(tmp_path: Path) -> None:
    conversation = Conversation.begin(tmp_path)
    program = (
        "import sys, pathlib\n"
        "from tetherd.agents.workers.core.conversation import Conversation\n"
        "Conversation.load(pathlib.Path(sys.argv[1]), sys.argv[2])"
    )
    argv = (sys.executable, "-c", program, str(tmp_path), conversation.name)
    other = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "another process has this conversation open" in other.stderr
    conversation.close()
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "x" * 65, "unheard-of", "\0"])
def test_other_names_lead_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoConversation):
        Conversation.load(tmp_path, name)


def test_a_link_is_no_conversation(tmp_path: Path) -> None:
    home = tmp_path / "home"
    begin(home)
    os.symlink(kept(home), home / "link.jsonl")
    with pytest.raises(OSError):
        Conversation.load(home, "link")


def test_a_conversation_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    name = begin(tmp_path)
    text = kept(tmp_path).read_text().replace('"version":1', '"version":2')
    kept(tmp_path).write_text(text)
    with pytest.raises(NoConversation, match="newer"):
        Conversation.load(tmp_path, name)
    assert kept(tmp_path).read_text() == text


def test_costs_add_up_over_processes_and_unknown_is_not_zero(tmp_path: Path) -> None:
    conversation = Conversation.begin(tmp_path)
    assert conversation.baseline_usd == 0.0
    conversation.note(Usage(written=3))
    assert conversation.baseline_usd is None
    conversation.note(Usage(cost_usd=0.1, read=4000, written=1000))
    conversation.note(Usage(cost_usd=0.2))
    assert conversation.baseline_usd == 0.3
    conversation.close()
    again = loaded(tmp_path, conversation.name)
    assert (again.baseline_usd, again.context_tokens) == (0.3, 5000)


def test_a_copy_begins_with_all_of_it_and_goes_its_own_way(tmp_path: Path) -> None:
    origin = Conversation.begin(tmp_path)
    origin.add(HELLO)
    origin.note(Usage(cost_usd=0.5))
    copy = Conversation.copy(tmp_path, origin.name)  # while the other is open
    copy.add(ANSWER)
    assert copy.name != origin.name
    assert (copy.messages, copy.baseline_usd) == ([HELLO, ANSWER], 0.0)
    copy.close()
    origin.close()
    assert loaded(tmp_path, origin.name).messages == [HELLO]
    assert loaded(tmp_path, copy.name).messages == [HELLO, ANSWER]
    with pytest.raises(NoConversation):
        Conversation.copy(tmp_path, "unheard-of")
