"""Bodies of the API that are about a session's transcript."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tetherd.domain.ids import Frozen
from tetherd.schema import EnvelopeBody, Query, Seq


class ItemsQuery(Query):
    """`before` is the `next_before` of the page before."""

    before: Seq | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class ItemPage(Frozen):
    """The newest events of a session, in their order; `next_before` is None once its first one is among them."""

    items: tuple[EnvelopeBody, ...]
    next_before: int | None


class TextQuery(Query):
    field: Literal["text", "output"] = "output"


class TextBody(Frozen):
    seq: int
    field: str
    text: str
