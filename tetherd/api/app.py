"""The HTTP API as an ASGI app."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import trio
from pydantic import TypeAdapter, ValidationError
from quart import Request, Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import MethodNotAllowed, NotFound, UnsupportedMediaType

from tetherd.api.auth import Caller, identify, refuse_foreign_pages, require_our_name
from tetherd.api.body import read_json
from tetherd.api.connection import TetherHTTPConnection
from tetherd.api.metrics import METRICS
from tetherd.api.openapi import ROUTES
from tetherd.api.pairing import Pairings
from tetherd.api.problems import Invalid, handle_problems
from tetherd.api.route import PREFIX, Call, Route, Who, matches_id, shape_of
from tetherd.api.settings import ApiSettings
from tetherd.api.site import Site
from tetherd.api.sse import Streams
from tetherd.control import Bridges, Control, Tokens
from tetherd.devices import Devices
from tetherd.domain.authority import Forbidden
from tetherd.domain.ids import Actor, Principal, Role
from tetherd.errors import Unavailable
from tetherd.keepers import Audit, RuleKeeper
from tetherd.schema import Query

__all__ = ["ApiSettings", "create_app"]

BODY_SECONDS = 30.0
SEND_SECONDS = 60.0

_ANYBODY = Caller(Actor(principal=Principal(role=Role.OBSERVER, name="anybody"), surface="api"), lambda: True)


class TooSlow(Unavailable):
    """The daemon did not get to it; it may still be done."""

    code = "too_slow"
    hint = "look at the present state before you try again"


def create_app(
    control: Control,
    tokens: Tokens,
    devices: Devices,
    bridges: Bridges,
    rules: RuleKeeper,
    audit: Audit,
    settings: ApiSettings,
) -> QuartTrio:
    """All of /api and the page at /, for TCP and for the control socket alike.

    The scope says where a request comes from (`tether.listener`, `tether.peer`: see server.py); one that does
    not say is taken for TCP. The app reads and writes nothing but through the first six.
    """
    app = QuartTrio("tetherd.api", static_folder=None)
    app.asgi_http_class = TetherHTTPConnection
    app.config.update(
        MAX_CONTENT_LENGTH=settings.body_limit,
        LONGER_BODIES=_longer_bodies(settings),
        BODY_TIMEOUT=BODY_SECONDS,
        RESPONSE_TIMEOUT=SEND_SECONDS,
    )
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    handle_problems(app)
    streams = Streams(control, settings.stream_limit)
    house = _House(control, tokens, devices, bridges, rules, audit, Pairings(), settings, streams)
    for route in ROUTES:
        endpoint = _Endpoint.of(route, house)
        _register(app, PREFIX + route.path, route.method, route.handler.__name__, endpoint.answer)
    for number, (path, view) in enumerate(Site(settings.web_dir).views().items()):
        _register(app, path, "GET", f"file_{number}", view)
    scrape = _Endpoint.of(METRICS, house)
    _register(app, METRICS.path, METRICS.method, METRICS.handler.__name__, scrape.answer)

    async def check_boundary() -> None:
        require_our_name(request, settings)
        if request.path.startswith((PREFIX, METRICS.path)):
            refuse_foreign_pages(request)

    async def finish(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.before_request(check_boundary)
    app.after_request(finish)
    return app


def _longer_bodies(settings: ApiSettings) -> dict[re.Pattern[str], int]:
    """Paths whose bodies may be longer than others."""
    paths = [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(PREFIX + route.path)) for route in ROUTES if route.carries_images]
    return {re.compile(path): settings.images_limit for path in paths}


def _register(app: QuartTrio, path: str, method: str, name: str, view: Callable[..., Awaitable[Response]]) -> None:
    rule = path.replace("{", "<").replace("}", ">")
    app.add_url_rule(rule, name, view, methods=[method], provide_automatic_options=False)


@dataclass(frozen=True, slots=True)
class _House:
    """What all endpoints share."""

    control: Control
    tokens: Tokens
    devices: Devices
    bridges: Bridges
    rules: RuleKeeper
    audit: Audit
    pairings: Pairings
    settings: ApiSettings
    streams: Streams


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Takes a request through: who asks, then what, then the handler, then the answer."""

    route: Route
    query: type[Query] | None
    body: TypeAdapter[Any] | None
    gives: TypeAdapter[Any] | None
    house: _House

    @classmethod
    def of(cls, route: Route, house: _House) -> _Endpoint:
        shape = shape_of(route)
        body = None if shape.body is None else TypeAdapter(shape.body)
        gives = None if shape.answer in (None, Response) or route.is_stream else TypeAdapter(shape.answer)
        return cls(route, shape.query, body, gives, house)

    async def answer(self, **ids: str) -> Response:
        """The view. Nothing of the body is read before its sender is known."""
        caller = await self._let_in(request)
        if self.route.is_stream and request.method == "HEAD":
            raise MethodNotAllowed(valid_methods=["GET"])
        for name, value in ids.items():
            if not matches_id(name, value):
                raise NotFound(f"There is no {name.replace('_', ' ')} like this.")
        call = Call(
            control=self.house.control,
            tokens=self.house.tokens,
            devices=self.house.devices,
            bridges=self.house.bridges,
            rules=self.house.rules,
            audit=self.house.audit,
            pairings=self.house.pairings,
            settings=self.house.settings,
            streams=self.house.streams,
            request=request,
            caller=caller,
        )
        given: dict[str, Any] = dict(ids)
        query = _read_query(request, self.query or Query)
        if self.query is not None:
            given["query"] = query
        if self.body is not None:
            given["body"] = await self._read_body(request, self.body)
        with trio.move_on_after(self.route.deadline_seconds):
            return self._response(await self.route.handler(call, **given))
        raise TooSlow("tetherd is too busy")

    async def _let_in(self, request: Request) -> Caller:
        if self.route.who is Who.ANYBODY:
            return _ANYBODY
        caller = await identify(request, self.house.tokens, self.house.devices, self.house.settings)
        role = caller.actor.principal.role
        if self.route.who is Who.OWNER and role is not Role.OWNER:
            raise Forbidden("this is for owners")
        if self.route.who is Who.PERSON and role is Role.AGENT:
            raise Forbidden("an agent's token is good for its own session only")
        return caller

    async def _read_body(self, request: Request, kind: TypeAdapter[Any]) -> Any:
        """The body as the handler takes it; an empty one is {}: what is missing is then said by name."""
        has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
        charset = request.mimetype_params.get("charset", "utf-8").lower()
        if has_body and (request.mimetype != "application/json" or charset not in ("utf-8", "utf8")):
            raise UnsupportedMediaType("A body is application/json in UTF-8 here.")
        raw = await request.get_data(cache=False, as_text=False, parse_form_data=False) or b"{}"
        value = read_json(raw, self.house.settings.text_limit, "images" if self.route.carries_images else None)
        try:
            return kind.validate_json(raw)
        except ValidationError as error:
            raise Invalid(error, value, "body") from None

    def _response(self, answer: Any) -> Response:
        if isinstance(answer, Response):
            return answer
        if self.gives is None:
            response = Response(b"", self.route.status)
            del response.headers["Content-Type"]
            return response
        body = self.gives.dump_json(answer)
        response = Response(body, self.route.status, content_type="application/json")
        if self.route.has_etag:
            etag = hashlib.sha256(body).hexdigest()[:32]
            response.set_etag(etag)
            response.headers["Cache-Control"] = "private, no-cache"
            if request.if_none_match.contains_weak(etag):
                response.set_data(b"")
                response.status_code = HTTPStatus.NOT_MODIFIED
        return response


def _read_query(request: Request, kind: type[Query]) -> Query:
    given: dict[str, Any] = {}
    for name, values in request.args.lists():
        # a list is never text: what stands there twice is refused with its name
        given[name] = values[0] if len(values) == 1 else {"given": len(values)}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise Invalid(error, given, "query") from None
