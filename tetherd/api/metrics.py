"""GET /metrics: where Prometheus looks, beside the API."""

from __future__ import annotations

from quart import Response

from tetherd.api.route import Call, Route, Who


async def get_metrics(call: Call) -> Response:
    """All figures. They name sessions, so they are for people and programs with a person's token."""
    text, content_type = await call.settings.metrics(call.streams.count, call.request.headers.get("Accept", ""))
    return Response(text, content_type=content_type)


METRICS = Route(method="GET", path="/metrics", handler=get_metrics, who=Who.PERSON)
