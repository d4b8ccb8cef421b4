"""The content blocks of a prompt."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tetherd.agents.workers.core.content import Asked, Image, Text
from tetherd.agents.workers.core.prompts import IMAGE_LIMIT_BYTES, asked
from tetherd.agents.workers.messages import INVALID_PARAMS, RequestFailed

PIXEL = base64.b64encode(b"\x89PNG").decode()


def image(media_type: Any = "image/png", data: Any = PIXEL) -> dict[str, Any]:
    return {"type": "image", "mimeType": media_type, "data": data}


def test_all_that_a_model_can_take() -> None:
    prompt = asked(
        [
            {"type": "text", "text": "look \ud800"},
            image(),
            {"type": "resource_link", "name": "a.py", "uri": "file:///a.py"},
            {"type": "resource", "resource": {"uri": "file:///b", "text": "b's text"}},
            "nonsense",
        ]
    )
    assert prompt == Asked(
        parts=(
            Text(text="look \ufffd"),
            Image(media_type="image/png", data=PIXEL),
            Text(text="[a.py](file:///a.py)"),
            Text(text="file:///b:\nb's text"),
        )
    )


@pytest.mark.parametrize(
    "blocks",
    [
        None,
        "text",
        [],
        [7],
        [{"type": "text", "text": " \n"}],
        [{"type": "text", "text": 7}],
        [{"type": "audio", "data": PIXEL, "mimeType": "audio/wav"}],
        [{"type": "of_tomorrow"}],
        [{}],
        [image("image/tiff")],
        [image(7)],
        [image(data="not base64!")],
        [image(data="ü")],
        [image(data="")],
        [image(data=None)],
        [image(data=base64.b64encode(b"x" * (IMAGE_LIMIT_BYTES + 1)).decode())],
        [{"type": "resource", "resource": {"uri": "x", "blob": PIXEL}}],
        [{"type": "resource"}],
    ],
)
def test_what_no_model_gets_is_refused(blocks: Any) -> None:
    with pytest.raises(RequestFailed) as refused:
        asked(blocks)
    assert refused.value.code == INVALID_PARAMS
