"""Reads the Markdown that agents write, line by line, into text with styles.

A reader for chats and not a full CommonMark one: every character of the text stays, in its order; only marks go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tetherd_bridges.richtext import Rich, Run, Style, run

LINE_LIMIT = 4000
"""Characters; a longer line is shown as it is, for looking for pairs of marks takes its square."""
DEPTH_LIMIT = 6

_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_ITEM = re.compile(r"^(\s*)[-*+][ \t]+(.*)$")
_TASK = re.compile(r"^\[([ xX])\][ \t]+(.*)$")
_QUOTE = re.compile(r"^ {0,3}>[ \t]?(.*)$")
_RULE = re.compile(r"^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_LINK = re.compile(r"^(?:https?|tg|mailto):[^\s<>\"]+$")
_WEB_HOST = re.compile(r"^https?://[^/:?#\s]+\.[a-zA-Z]{2,}(?:[:/?#]|$)")

_INLINE = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]()#+\-.!~>|])"
    r"|(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|!?\[(?P<label>[^\[\]]*)\]\((?P<url>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:[ \t]+\"[^\"]*\")?\)"
    r"|(?P<two>\*\*|__)(?=\S)(?P<bold>.+?)(?<=\S)(?P=two)"
    r"|~~(?=\S)(?P<gone>.+?)(?<=\S)~~"
    r"|(?<!\w)(?P<one>[*_])(?=[^\s*_])(?P<soft>.+?)(?<=[^\s*_])(?P=one)(?!\w)"
)


def read_markdown(source: str) -> Rich:
    """The text with its styles."""
    lines = source.replace("\r\n", "\n").split("\n")
    return tuple(_merged(_blocks(lines)))


def _blocks(lines: Sequence[str]) -> Iterator[Run]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if at:
            yield run("\n")
        if fence := _FENCE.match(line):
            inside, at = _fenced(lines, at, fence)
            if inside:
                yield run(inside, Style.PRE, language=_language(fence[3]))
        elif "|" in line and at + 1 < len(lines) and "|" in lines[at + 1] and _TABLE_RULE.match(lines[at + 1]):
            rows, at = _table_rows(lines, at)
            yield run(_table(rows), Style.PRE)
        else:
            yield from _line(line)
            at += 1


def _fenced(lines: Sequence[str], at: int, fence: re.Match[str]) -> tuple[str, int]:
    """What a fence holds, and the line behind it. A longer fence may hold shorter ones; an open one ends with the
    text."""
    mark = fence[2]
    closing = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
    end = next((n for n in range(at + 1, len(lines)) if closing.match(lines[n])), len(lines))
    indent = len(fence[1])
    inside = [line[indent:] if not line[:indent].strip() else line for line in lines[at + 1 : end]]
    return "\n".join(inside), end + 1


def _language(word: str) -> str:
    found = re.match(r"[A-Za-z0-9+#_.-]{1,32}", word.strip())
    return found[0] if found else ""


def _line(line: str) -> Iterator[Run]:
    if len(line) > LINE_LIMIT:
        yield run(line)
    elif _RULE.match(line):
        yield run("———")
    elif heading := _HEADING.match(line):
        yield from _inline(heading[2], frozenset({Style.BOLD}))
    elif quote := _QUOTE.match(line):
        yield run("┃ ")
        yield from _inline(quote[1], frozenset({Style.ITALIC}))
    elif item := _ITEM.match(line):
        task = _TASK.match(item[2])
        yield run(item[1] + (("☐ " if task[1] == " " else "☑ ") if task else "• "))
        yield from _inline(task[2] if task else item[2])
    else:
        yield from _inline(line)


def _inline(text: str, styles: frozenset[Style] = frozenset(), depth: int = 0) -> Iterator[Run]:
    at = 0
    for found in _INLINE.finditer(text) if depth < DEPTH_LIMIT else ():
        if found.start() > at:
            yield run(text[at : found.start()], *styles)
        yield from _marked(found, styles, depth + 1)
        at = found.end()
    if at < len(text):
        yield run(text[at:], *styles)


def _marked(found: re.Match[str], styles: frozenset[Style], depth: int) -> Iterator[Run]:
    if (escaped := found["escaped"]) is not None:
        yield run(escaped, *styles)
    elif (code := found["code"]) is not None:
        yield run(code, *styles, Style.CODE)
    elif found["label"] is not None:
        yield from _link(found["label"], found["url"], styles)
    elif (bold := found["bold"]) is not None:
        yield from _inline(bold, styles | {Style.BOLD}, depth)
    elif (gone := found["gone"]) is not None:
        yield from _inline(gone, styles | {Style.STRIKE}, depth)
    else:
        yield from _inline(found["soft"], styles | {Style.ITALIC}, depth)


def _link(label: str, url: str, styles: frozenset[Style]) -> Iterator[Run]:
    """A link where the platform can follow it; a path or an address of this machine is shown beside its label."""
    if _LINK.match(url) and (not url.startswith("http") or _WEB_HOST.match(url)):
        yield run(label or url, *styles, Style.LINK, url=url)
        return
    if label:
        yield run(label, *styles)
    if url and url != label:
        yield run(" ", *styles)
        yield run(url, *styles, Style.CODE)


def _table_rows(lines: Sequence[str], at: int) -> tuple[list[list[str]], int]:
    rows = [_cells(lines[at])]
    at += 2
    while at < len(lines) and "|" in lines[at] and lines[at].strip():
        rows.append(_cells(lines[at]))
        at += 1
    return rows, at


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _table(rows: list[list[str]]) -> str:
    """In columns, with a line below the head: platforms know no tables, but they keep the columns of code."""
    count = max(len(row) for row in rows)
    rows = [row + [""] * (count - len(row)) for row in rows]
    widths = [max(len(row[n]) for row in rows) for n in range(count)]
    lines = [" │ ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "─┼─".join("─" * width for width in widths), *lines[1:]])


def _merged(runs: Iterator[Run]) -> Iterator[Run]:
    """Neighbours that look alike as one."""
    held: Run | None = None
    for one in runs:
        if held is not None and (held.styles, held.url, held.language) == (one.styles, one.url, one.language):
            held = held.model_copy(update={"text": held.text + one.text})
            continue
        if held is not None:
            yield held
        held = one
    if held is not None:
        yield held
