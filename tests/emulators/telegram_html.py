"""Telegram's HTML: the text that people see, its entities, or why it is refused."""

from __future__ import annotations

import html
import re
from typing import Any

Json = dict[str, Any]

TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "s": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
}
ENTITIES = 100
"""A message keeps so many of them; the rest is dropped in silence."""

_TOKEN = re.compile(
    r"<(/?)([a-zA-Z-]*)((?:\s+[a-z-]+(?:=\"[^\"]*\")?)*)\s*>|&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);|[<&]"
)
_ATTRIBUTE = re.compile(r"([a-z-]+)=\"([^\"]*)\"")


class Unparsable(Exception):
    """As the server words it, without its "Bad Request: "."""


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def parse(source: str) -> tuple[str, list[Json]]:
    """The text and its entities, offsets in UTF-16 code units."""
    text = ""
    entities: list[Json] = []
    open_tags: list[tuple[str, int, Json]] = []
    at = 0
    for token in _TOKEN.finditer(source):
        text += source[at : token.start()]
        at = token.end()
        offset = len(source[: token.start()].encode())
        if token[0].startswith("&") and len(token[0]) > 1:
            text += html.unescape(token[0])
        elif token[0] == "&":
            text += "&"
        elif token[2] is None:
            raise Unparsable(f'can\'t parse entities: Unsupported start tag "" at byte offset {offset}')
        elif token[1]:
            _close(token[2].lower(), text, open_tags, entities, offset)
        else:
            _open(token[2].lower(), token[3], text, open_tags, offset)
    text += source[at:]
    if open_tags:
        raise Unparsable(f"can't parse entities: Can't find end tag corresponding to start tag \"{open_tags[-1][0]}\"")
    return text, entities


def _open(tag: str, attributes: str, text: str, open_tags: list[tuple[str, int, Json]], offset: int) -> None:
    if tag not in TAGS:
        raise Unparsable(f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset {offset}')
    outer = [name for name, _, _ in open_tags]
    if tag == "blockquote" and "blockquote" in outer:
        raise Unparsable("can't parse entities: Blockquotes can't be nested")
    if "code" in outer or ("pre" in outer and tag != "code"):
        raise Unparsable(f"can't parse entities: {tag} in code at byte offset {offset}")
    found = dict(_ATTRIBUTE.findall(attributes))
    more: Json = {}
    if tag == "a":
        url = html.unescape(found.get("href", ""))
        if not re.match(r"(?:https?://[^/\s]+\.[^/\s]+|tg://|mailto:)", url):
            raise Unparsable("can't parse entities: URL host is empty")
        more["url"] = url
    if tag == "code" and "class" in found:
        more["language"] = found["class"].removeprefix("language-")
    open_tags.append((tag, units(text), more))


def _close(tag: str, text: str, open_tags: list[tuple[str, int, Json]], entities: list[Json], offset: int) -> None:
    if not open_tags or open_tags[-1][0] != tag:
        expected = open_tags[-1][0] if open_tags else ""
        raise Unparsable(
            f'can\'t parse entities: Unmatched end tag at byte offset {offset}, expected "</{expected}>", found "</{tag}>"'
        )
    _, begin, more = open_tags.pop()
    length = units(text) - begin
    if length:
        entities.append({"type": TAGS[tag], "offset": begin, "length": length, **more})
