"""What is wrong with a bridge at the moment, by part: a part that is well does not hide one that is not."""

from __future__ import annotations

from collections.abc import Callable


class Troubles:
    """`report` is told the sentence to show: the oldest trouble that is still there, None when there is none."""

    def __init__(self, report: Callable[[str | None], None]) -> None:
        self._report = report
        self._said: dict[str, str] = {}

    def tell(self, part: str, trouble: str | None) -> None:
        """How this part is now; None when it is well."""
        before = dict(self._said)
        if trouble is None:
            self._said.pop(part, None)
        else:
            self._said[part] = trouble
        if self._said != before:
            self._report(next(iter(self._said.values()), None))
