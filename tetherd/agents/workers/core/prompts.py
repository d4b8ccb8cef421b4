"""The content blocks of a prompt, as the model gets them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from tetherd.agents.workers.core.content import Asked, Image, Text, clean
from tetherd.agents.workers.messages import INVALID_PARAMS, JsonObject, RequestFailed

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
IMAGE_LIMIT_BYTES = 5 * 1024 * 1024
"""What the Anthropic API takes; others take no less."""


def asked(blocks: object) -> Asked:
    """Raises RequestFailed for what no model gets: a prompt without a word, a sound, an image of another kind."""
    if not isinstance(blocks, list):
        raise RequestFailed(INVALID_PARAMS, "prompt is missing")
    parts = tuple(part for block in blocks if isinstance(block, dict) for part in _parts(block))
    if not any(isinstance(part, Image) or part.text.strip() for part in parts):
        raise RequestFailed(INVALID_PARAMS, "the prompt is empty")
    return Asked(parts=parts)


def _parts(block: JsonObject) -> Iterator[Text | Image]:
    match block.get("type"):
        case "text":
            yield Text(text=clean(_text(block, "text")))
        case "image":
            yield _image(block)
        case "resource_link":
            yield Text(text=clean(f"[{_text(block, 'name')}]({_text(block, 'uri')})"))
        case "resource":
            resource = block.get("resource")
            if not isinstance(resource, dict) or not isinstance(resource.get("text"), str):
                raise RequestFailed(INVALID_PARAMS, "an embedded resource is taken as text alone")
            yield Text(text=clean(f"{_text(resource, 'uri')}:\n{resource['text']}"))
        case kind:
            raise RequestFailed(INVALID_PARAMS, f"content of this type is not taken: {str(kind)[:100]}")


def _image(block: JsonObject) -> Image:
    media_type, data = block.get("mimeType"), block.get("data")
    if media_type not in IMAGE_TYPES:
        raise RequestFailed(INVALID_PARAMS, f"an image must be one of {', '.join(IMAGE_TYPES)}")
    try:
        size = len(base64.b64decode(data if isinstance(data, str) else "", validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not 0 < size <= IMAGE_LIMIT_BYTES:
        raise RequestFailed(INVALID_PARAMS, f"an image must be base64 of 1 to {IMAGE_LIMIT_BYTES} bytes")
    return Image(media_type=str(media_type), data=str(data))


def _text(of: JsonObject, key: str) -> str:
    value = of.get(key)
    return value if isinstance(value, str) else ""
