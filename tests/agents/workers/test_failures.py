"""What a person reads when the model does not answer."""

from __future__ import annotations

import pytest

from tetherd.agents.workers.core.failures import ModelFailed, refused


def fail(status: int, said: str = "its words", retry_after: str | None = None) -> ModelFailed:
    return refused(status, said, model="m-1", keys="SOME_API_KEY", retry_after=retry_after)


@pytest.mark.parametrize(
    "status, words, is_passing",
    [
        (400, "does not take the request (400): its words", False),
        (401, "does not take the key (401): its words. Set a valid SOME_API_KEY", False),
        (402, "wants to be paid first (402)", False),
        (403, "may not do this (403)", False),
        (404, "does not know the model 'm-1'", False),
        (409, "failed (409)", True),
        (413, "too large for the API (413)", False),
        (422, "does not take the request (422)", False),
        (429, "Too many requests for the API (429): its words", True),
        (500, "failed (500)", True),
        (503, "overloaded (503)", True),
        (529, "overloaded (529)", True),
    ],
)
def test_each_status_has_its_words(status: int, words: str, is_passing: bool) -> None:
    failure = fail(status)
    assert words in str(failure)
    assert failure.is_passing is is_passing


@pytest.mark.parametrize(
    "said", ["prompt is too long: 210000 tokens", "context_length_exceeded", "maximum Context Length"]
)
def test_a_conversation_that_is_too_long_is_told_from_other_bad_requests(said: str) -> None:
    assert "no longer fits the model" in str(fail(400, said))


@pytest.mark.parametrize(
    "header, seconds",
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("1.5", 1.5),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_when_it_is_a_number(header: str | None, seconds: float | None) -> None:
    assert fail(429, retry_after=header).retry_after_seconds == seconds


def test_how_long_the_api_wants_us_to_wait_is_told() -> None:
    assert "it asks to wait 120 s" in str(fail(429, retry_after="120"))


def test_a_page_of_html_is_cut() -> None:
    assert len(str(fail(502, "<html>" * 10_000))) <= 2000
    assert "it gave no reason" in str(fail(500, "  "))
