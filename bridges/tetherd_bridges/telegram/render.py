"""Texts and buttons as Telegram takes them: HTML made run by run, so that no tag is ever cut."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from tetherd_bridges.conversation.messages import Shown
from tetherd_bridges.richtext import Run, Style, plain, run, units

TEXT_UNITS = 4096
"""Of a message, without its tags, in UTF-16 code units (docs, sendMessage)."""
CAPTION_UNITS = 1024
TOPIC_CHARACTERS = 128
BUTTON_CHARACTERS = 64
MAY_REPEAT = "\n(may be a repeat: the connection broke off while this was being sent)"

# Outermost first. Nothing may stand within code and pre, and a blockquote in no other (docs, HTML style).
_ORDER = (Style.AGENT, Style.LINK, Style.BOLD, Style.ITALIC, Style.STRIKE, Style.CODE, Style.PRE)
_TAGS = {Style.AGENT: "blockquote", Style.BOLD: "b", Style.ITALIC: "i", Style.STRIKE: "s", Style.CODE: "code"}
_TONES = {"good": "success", "bad": "danger"}


def as_html(runs: Sequence[Run], level: int = 0) -> str:
    """The text with its tags: `parse_mode` HTML."""
    if level == len(_ORDER):
        return "".join(html.escape(one.text, quote=False) for one in runs)
    style = _ORDER[level]

    def look(one: Run) -> tuple[bool, str, str]:
        has = style in one.styles
        return has, one.url if has and style is Style.LINK else "", one.language if has and style is Style.PRE else ""

    parts = []
    for (has, url, language), group in groupby(runs, look):
        inside = as_html(list(group), level + 1)
        parts.append(_tagged(style, inside, url, language) if has else inside)
    return "".join(parts)


def _tagged(style: Style, inside: str, url: str, language: str) -> str:
    match style:
        case Style.LINK:
            return f'<a href="{html.escape(url)}">{inside}</a>'
        case Style.PRE if language:
            return f'<pre><code class="language-{html.escape(language)}">{inside}</code></pre>'
        case Style.PRE:
            return f"<pre>{inside}</pre>"
        case _:
            return f"<{_TAGS[style]}>{inside}</{_TAGS[style]}>"


def text_of(shown: Shown, header: str, is_doubtful: bool) -> tuple[Run, ...]:
    """All that is shown: whose message it is where that is not plain, the text, and a warning of repeats."""
    runs = list(shown.text)
    if header:
        runs = [run(header, Style.CODE), run("\n"), *runs]
    if is_doubtful:
        runs.append(run(MAY_REPEAT, Style.ITALIC))
    return fitting(tuple(runs), TEXT_UNITS)


def fitting(runs: Sequence[Run], limit: int) -> tuple[Run, ...]:
    """The runs, cut at the limit. What we make is shorter; this is for the day when it is not."""
    found: list[Run] = []
    room = limit
    for one in runs:
        while units(one.text) > room:
            one = one.model_copy(update={"text": one.text[: -max(1, (units(one.text) - room) // 2)]})
        if one.text:
            found.append(one)
        room -= units(one.text)
    return tuple(found)


def keyboard(shown: Shown) -> dict[str, Any] | None:
    """`reply_markup`. A message that asks opens the reader's keyboard; one without buttons has none any more."""
    if shown.asks:
        return {"force_reply": True, "selective": True, "input_field_placeholder": "Your words"}
    if not shown.buttons:
        return None
    rows = []
    for row in shown.buttons:
        rows.append(
            [
                {"text": one.label[:BUTTON_CHARACTERS], "callback_data": one.token}
                | ({"style": _TONES[one.tone]} if one.tone else {})
                for one in row
            ]
        )
    return {"inline_keyboard": rows}


def topic_name(name: str) -> str:
    """1 to 128 characters (docs, createForumTopic)."""
    return " ".join(name.split())[:TOPIC_CHARACTERS] or "session"


def as_plain(runs: Sequence[Run]) -> str:
    return plain(runs)
