"""Where a path leads, and whether that is inside the session's directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


class CannotDo(Exception):
    """A tool cannot do what it was asked; the text is for the model, which may try otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """`real` has no links in it. `shown` is what people and policy see: inside, below the directory as it was given."""

    real: Path
    shown: str
    is_inside: bool


class Directory:
    """The session's directory. Every path is judged by where it leads in the end, whatever links are on the way."""

    def __init__(self, given: Path) -> None:
        self.given = given
        self.real = Path(os.path.realpath(given))

    def locate(self, path: str) -> Place:
        """A path as the model gave it, relative to the directory or not. Raises CannotDo."""
        if not path or "\0" in path:
            raise CannotDo("that is no path")
        try:
            real = Path(os.path.realpath(self.given / os.path.expanduser(path)))
        except (OSError, ValueError) as error:
            raise CannotDo(f"that is no path: {error}") from None
        return self.place_of(real)

    def place_of(self, real: Path) -> Place:
        """A path that is known to have no links in it."""
        if not real.is_relative_to(self.real):
            return Place(real, str(real), is_inside=False)
        return Place(real, str(self.given / real.relative_to(self.real)), is_inside=True)

    def short(self, place: Place) -> str:
        """For titles: relative when it is inside."""
        return str(place.real.relative_to(self.real)) if place.is_inside else place.shown
