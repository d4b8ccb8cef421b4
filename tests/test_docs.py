"""The docs: current where they are made from the code, and with a heading for everything."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from tests.generated_docs import ALL_SETTINGS, PAGES, ROOT, parsers
from tetherd.api.vocabulary import PolledType, PushedEvent, PushedStatus
from tetherd.domain import events as ev


@pytest.mark.parametrize("page", PAGES)
def test_pages_made_from_the_code_are_current(page: str) -> None:
    assert (ROOT / page).read_text() == PAGES[page](), "make them anew: python -m tests.generated_docs"


def headings(page: str) -> set[str]:
    return set(re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE))


def test_every_event_has_its_heading() -> None:
    union = get_args(get_args(ev.Event.__value__)[0])
    assert {cls.model_fields["type"].default for cls in union} == headings("docs/events.md")


def test_every_member_of_an_event_is_named() -> None:
    text = (ROOT / "docs/events.md").read_text()
    for event in get_args(get_args(ev.Event.__value__)[0]):
        kind = event.model_fields["type"].default
        members = [f"`{name}`" for name in event.model_fields if name not in ("type", "blobs")]
        (said,) = re.findall(rf"^## {kind}$.*?^Members: (.*?)\.$", text, re.MULTILINE | re.DOTALL)
        assert said.split(", ") == members, kind


def test_every_setting_and_command_has_its_heading() -> None:
    assert {setting.key for setting in ALL_SETTINGS} == headings("docs/settings.md")
    assert {name for name, _ in parsers()} == headings("docs/cli.md")


def test_every_word_of_external_agents_is_explained() -> None:
    text = (ROOT / "docs/events.md").read_text()
    pushed = [one.model_fields["type"].annotation for one in (*get_args(PushedEvent), PushedStatus)]
    for word in (*get_args(PolledType), *(word for kind in pushed for word in get_args(kind))):
        assert f"| `{word}` |" in text, word


def test_links_between_our_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_tests_that_the_threat_model_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/threat-model.md").read_text())
    assert len(named) >= 15
    for file, name in named:
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"


def test_help_fits_eighty_columns() -> None:
    for name, parser in parsers():
        assert max(map(len, parser.format_help().splitlines())) <= 80, name
