"""The web app's files, served from memory."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quart import Response, request

from tetherd.api.static import page

WEB_DIR = Path(__file__).parent.parent / "web"
"""Where `make ui` puts the built app, and where a wheel has it."""

VIEWS = (
    "/",
    "/sessions/<name>",
    "/approvals",
    "/approvals/<name>",
    "/new",
    "/settings",
    "/settings/<name>",
)
"""Addresses inside the app: it finds its own way from the same page."""

# Trusted Types: no script of ours may make markup from text. `tetherd-sw` is the one policy, for the address of the
# service worker.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types tetherd-sw",
    )
)

ENCODINGS = {".br": "br", ".gz": "gzip"}
TYPES = {".webmanifest": "application/manifest+json", ".js": "text/javascript; charset=utf-8"}
# The build puts a hash of the content into these names, so what they name never changes.
HASHED = re.compile(r"/assets/[^/]+-[0-9A-Za-z_-]{8}\.\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class File:
    """One file; `packed` holds it compressed, by Content-Encoding, best first."""

    path: str
    data: bytes
    packed: Mapping[str, bytes] = field(default_factory=dict)

    async def answer(self, name: str | None = None) -> Response:
        """The view of this file; `name` is whatever stood in the address, which only the app reads."""
        encoding = next((one for one in self.packed if request.accept_encodings.quality(one) > 0), None)
        response = Response(self.packed[encoding] if encoding else self.data, content_type=_type(self.path))
        if self.packed:
            response.headers["Vary"] = "Accept-Encoding"
        if encoding is not None:
            response.headers["Content-Encoding"] = encoding
        is_hashed = HASHED.fullmatch(self.path) is not None
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.set_etag(hashlib.sha256(self.data).hexdigest()[:32], weak=encoding is not None)
        await response.make_conditional(request)
        return response


class Site:
    """All files of the built app, read once: an upgrade on disk never mixes two versions.

    They hold nothing of anybody's, so they ask for no token.
    """

    def __init__(self, directory: Path) -> None:
        """Without a built app in `directory` there is only the plain page."""
        self.files = {file.path: file for file in _read(directory)}

    @property
    def is_built(self) -> bool:
        return "/index.html" in self.files

    def views(self) -> Mapping[str, Callable[..., Awaitable[Response]]]:
        """The view of each address, for the router; what is not listed here does not exist."""
        if not self.is_built:
            return {"/": page}
        shell = self.files["/index.html"].answer
        return {file.path: file.answer for file in self.files.values()} | dict.fromkeys(VIEWS, shell)


def _read(directory: Path) -> list[File]:
    if not directory.is_dir():
        return []
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.suffix not in ENCODINGS:
            beside = {name: path.with_name(path.name + suffix) for suffix, name in ENCODINGS.items()}
            packed = {name: file.read_bytes() for name, file in beside.items() if file.is_file()}
            found.append(File("/" + path.relative_to(directory).as_posix(), path.read_bytes(), packed))
    return found


def _type(path: str) -> str:
    suffix = Path(path).suffix
    return TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
