"""How an agent would log in, as far as its files and our environment show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

_SECRETS = ("_API_KEY", "_AUTH_TOKEN", "_OAUTH_TOKEN")


def login_state(environment: Mapping[str, str], files: Iterable[Path]) -> str:
    """ "logged in" where one of its files with credentials is there, "API key" where it gets one, else not.

    Only whether a file is there is looked at: what stands in it is nobody else's business.
    """
    if any(_is_there(file) for file in files):
        return "logged in"
    has_key = any(value and key.endswith(_SECRETS) for key, value in environment.items())
    return "API key" if has_key else "not logged in"


def _is_there(file: Path) -> bool:
    try:
        return file.stat().st_size > len("{}")
    except OSError:
        return False
