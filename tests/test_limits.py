"""Limits: as settings have them, and which come before which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tetherd.config import Config
from tetherd.domain.limits import NO_LIMITS, Limits, NoAgentToLimit
from tetherd.limits_text import ACCEPTED, read_limits
from tetherd.sizes import read_size, show_size


def test_limits_for_all_and_for_one_adapter() -> None:
    found = read_limits("memory_max=4G, demo.memory_max=512m tasks_max=200,\tdemo.sandbox=yes")
    assert found == {
        "": Limits(memory_max_bytes=4 * 2**30, tasks_max=200),
        "demo": Limits(memory_max_bytes=2**29, sandbox=True),
    }
    assert read_limits("  , ") == {}


@pytest.mark.parametrize(
    "text",
    [
        "memory_max",
        "memory_max=",
        "memory=4G",
        "memory_max=4X",
        "tasks_max=many",
        "sandbox=on",
        "a.b.sandbox=yes",
        "=",
        "Ünfug=1",
    ],
)
def test_what_is_no_limit_is_told_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="memory_max=4G"):
        read_limits(text)
    assert len(ACCEPTED) < 120


@pytest.mark.parametrize("text", ["memory_max=1", "cpu_weight=0", "cpu_weight=10001", "tasks_max=1"])
def test_a_limit_that_nothing_could_live_with_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("=")[0]):
        read_limits(text)


@pytest.mark.parametrize("value", ["2G", 2.5e9, True, -1, 2**53])
def test_the_api_takes_bytes_and_nothing_else(value: object) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"memory_max_bytes": value})


def test_the_session_comes_before_the_adapter_and_the_adapter_before_all(tmp_path) -> None:
    limits = read_limits("memory_max=1G, tasks_max=100, sandbox=yes, demo.memory_max=2G, demo.sandbox=no")
    config = Config(data_dir=tmp_path, config_dir=tmp_path, limits=limits)
    assert config.limits_of("acp") == Limits(memory_max_bytes=2**30, tasks_max=100, sandbox=True)
    assert Limits(tasks_max=50).over(config.limits_of("demo")) == Limits(
        memory_max_bytes=2**31, tasks_max=50, sandbox=False
    )


def test_only_an_agent_of_ours_can_be_limited() -> None:
    NO_LIMITS.require_none()
    with pytest.raises(NoAgentToLimit):
        Limits(sandbox=False).require_none()


@given(st.integers(0, 2**40))
def test_sizes_are_read_back(number: int) -> None:
    assert read_size(f"{number}") == number
    for power, unit in enumerate("KMGT", start=1):
        assert read_size(f" {number}{unit}B ".lower()) == number * 1024**power


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 K"), (10 * 2**20, "10 M"), (2**60, "1048576 T")]
)
def test_sizes_are_shown_short(size: int, shown: str) -> None:
    assert show_size(size) == shown
