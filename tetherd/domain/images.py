"""Images that people send along with a prompt."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

from pydantic import field_validator

from tetherd.domain.ids import Frozen

MediaType = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
LIMIT_BYTES = 10 * 1024 * 1024
MOST = 10
"""Images in one prompt."""


class ImageRef(Frozen):
    """An image as the log names it; its bytes lie beside the log. `size` in bytes, `sha256` in hex."""

    media_type: MediaType
    sha256: str
    size: int


class Image(Frozen):
    """`data` is base64, at most LIMIT_BYTES of image."""

    media_type: MediaType
    data: str

    @field_validator("data")
    @classmethod
    def _is_base64(cls, data: str) -> str:
        try:
            size = len(base64.b64decode(data, validate=True))
        except (binascii.Error, ValueError):
            raise ValueError("data is base64 of the image") from None
        if not 0 < size <= LIMIT_BYTES:
            raise ValueError(f"an image has 1 to {LIMIT_BYTES} bytes")
        return data

    @property
    def content(self) -> bytes:
        return base64.b64decode(self.data)

    @property
    def ref(self) -> ImageRef:
        content = self.content
        return ImageRef(media_type=self.media_type, sha256=hashlib.sha256(content).hexdigest(), size=len(content))

    @classmethod
    def of(cls, ref: ImageRef, content: bytes) -> Image:
        return cls.model_construct(media_type=ref.media_type, data=base64.b64encode(content).decode())
