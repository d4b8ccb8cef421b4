"""Opaque tokens of buttons: short enough for every platform, too long to be guessed."""

from __future__ import annotations

import secrets

TOKEN_BYTES = 15


def fresh_token() -> str:
    """20 characters of URL-safe base 64; Telegram takes 64 bytes, Discord 100 characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)
