"""What agents write, as chats show it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tetherd_bridges.markdown import read_markdown
from tetherd_bridges.richtext import Run, Style, by_agent, piece, plain, run, split, units

B, IT, C, P, L = Style.BOLD, Style.ITALIC, Style.CODE, Style.PRE, Style.LINK


def looks(source: str) -> list[tuple[str, set[Style]]]:
    return [(one.text, set(one.styles)) for one in read_markdown(source)]


@pytest.mark.parametrize(
    "source, shown",
    [
        ("plain", [("plain", set())]),
        ("a **b** c", [("a ", set()), ("b", {B}), (" c", set())]),
        ("__b__ and _i_", [("b", {B}), (" and ", set()), ("i", {IT})]),
        ("**a *b* c**", [("a ", {B}), ("b", {B, IT}), (" c", {B})]),
        ("~~gone~~", [("gone", {Style.STRIKE})]),
        ("`a*b*`", [("a*b*", {C})]),
        ("``a`b``", [("a`b", {C})]),
        ("snake_case_name and 2*3*4", [("snake_case_name and 2*3*4", set())]),
        (r"\*not\*", [("*not*", set())]),
        ("# Head", [("Head", {B})]),
        ("- one\n  * two", [("• one\n  • two", set())]),
        ("- [x] done\n- [ ] open", [("☑ done\n☐ open", set())]),
        ("> said", [("┃ ", set()), ("said", {IT})]),
        ("---", [("———", set())]),
        ("```py\nx = 1\n```", [("x = 1", {P})]),
        ("```\nopen", [("open", {P})]),
        ("````md\n```py\nx\n```\n````", [("```py\nx\n```", {P})]),
        ("[docs](https://example.org/a_(b))", [("docs", {L})]),
        ("[file](src/a.py)", [("file ", set()), ("src/a.py", {C})]),
        ("[here](http://localhost:8787/x)", [("here ", set()), ("http://localhost:8787/x", {C})]),
        ("[x](javascript:alert)", [("x ", set()), ("javascript:alert", {C})]),
        ("<b>& entities stay</b>", [("<b>& entities stay</b>", set())]),
    ],
)
def test_markdown_is_read(source: str, shown: list[tuple[str, set[Style]]]) -> None:
    assert looks(source) == shown


def test_a_table_keeps_its_columns() -> None:
    (table,) = read_markdown("| Name | N |\n|---|--:|\n| long name | 1 |\n| x | `2` |")
    assert table.styles == {P}
    assert table.text == "Name      │ N\n──────────┼────\nlong name │ 1\nx         │ `2`"


@pytest.mark.parametrize(
    "source",
    ["*" * 200_000, "[" * 200_000, "a" + "`" * 200_000, "a" * 1_000_000, "> " * 10_000, "_a" * 9_000, "**a " * 999],
)
def test_hostile_lines_are_read_in_time(source: str) -> None:
    assert plain(read_markdown(source))


@given(st.text())
def test_every_word_stays_in_its_order(source: str) -> None:
    words = iter(plain(read_markdown(source)))
    wanted = [one for one in source if one.isalnum()]
    table = "|" in source and "-" in source  # the rule below a table's head says nothing
    marks = {"x", "X"}  # a ticked box
    assert table or all(one in words for one in wanted if one not in marks and not _is_language(source))


def _is_language(source: str) -> bool:
    return "```" in source or "~~~" in source or "](" in source


@given(st.text(alphabet="ab 🙂é漢\n\t`*_", max_size=400), st.integers(2, 40))
def test_pieces_put_together_are_the_text(source: str, limit: int) -> None:
    rich = read_markdown(source)
    pieces = list(split(rich, limit))
    assert all(0 < units(plain(one)) <= limit for one in pieces)
    together = "".join(plain(one) for one in pieces)
    assert "".join(together.split()) == "".join(plain(rich).split())


def test_pieces_keep_their_styles_and_are_cut_at_lines() -> None:
    code = "\n".join(f"line {n}" for n in range(100))
    pieces = list(split(read_markdown(f"before\n```py\n{code}\n```\nafter"), 200))
    assert len(pieces) > 4
    assert all(plain(one).endswith("\n") for one in pieces[:-1])
    assert all({P} in [run.styles for run in one if run.language == "py"] for one in pieces[:-1])
    assert plain([run for one in pieces for run in one]) == f"before\n{code}\nafter"


def test_a_piece_never_ends_within_a_character() -> None:
    family = "👩‍👩‍👧"
    pieces = list(split(read_markdown(family * 40), 50))
    assert all(plain(one).replace(family, "") == "" for one in pieces)


def test_a_text_of_very_many_styles_is_cut_before_the_platform_drops_some() -> None:
    pieces = list(split(read_markdown(" ".join(f"`c{n}`" for n in range(500))), 3900))
    assert len(pieces) > 1
    assert all(sum(bool(one.styles) for one in runs) <= 90 for runs in pieces)


def test_secrets_and_controls_do_not_get_through() -> None:
    token = "123456789:" + "A" * 35
    (shown,) = by_agent(read_markdown(f"token {token} \x00\x1b\u202e"))
    assert shown.text == "token [redacted] ���"
    assert shown.styles == {Style.AGENT}


def test_a_piece_is_cut_out_of_the_middle() -> None:
    rich = (run("abc", B), run("def"))
    assert piece(rich, 1, 5) == (Run(text="bc", styles=frozenset({B})), Run(text="de"))
