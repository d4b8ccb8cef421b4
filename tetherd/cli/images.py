"""Image files, as the API takes them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tetherd.cli.output import USAGE, Refusal

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}
_LIMIT_BYTES = 10 * 1024 * 1024


def read_images(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Their kinds are told by what they begin with. Raises Refusal."""
    return [_read(Path(path)) for path in paths]


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}", exit_code=USAGE) from None
    if len(content) > _LIMIT_BYTES:
        raise Refusal(f"{path} is larger than 10 MiB", "send a smaller image", USAGE)
    kind = next((kind for head, kind in _SIGNATURES.items() if content.startswith(head)), None)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise Refusal(f"{path} is no PNG, JPEG, GIF or WebP image", exit_code=USAGE)
    return {"media_type": kind, "data": base64.b64encode(content).decode()}
