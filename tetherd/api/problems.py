"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import json
import secrets
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from quart import Quart, Response, current_app
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from tetherd.errors import Misconfigured, Rejected, TetherError, Unavailable
from tetherd.logconfig import get_logger

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
# A client that is wrong in a thousand places learns enough from the first ones.
MAX_FAULTS = 20
MAX_WHERE = 100

OUR_TEXTS = {
    404: "there is nothing at this address",
    405: "this address does not take this method",
    408: "the body did not arrive in time",
    413: "the body is larger than the limit",
}
"""In place of the framework's, which speak to people who typed an address."""

log = get_logger(__name__)


class Invalid(Rejected):
    """The request's words are not those of the API; `faults` says which, and where in `given`."""

    code = "invalid"
    status = 422

    def __init__(self, error: ValidationError, given: object, place: str) -> None:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
        self.faults = [
            {"where": _where(one["loc"], one["type"], given) or place, "problem": _sentence(one["type"], one["msg"])}
            for one in found
        ]
        super().__init__("; ".join(f"{fault['where']}: {fault['problem']}" for fault in self.faults[:3]))

    def facts(self) -> dict[str, object]:
        return {"errors": self.faults}


def _where(loc: tuple[int | str, ...], kind: str, given: Any) -> str:
    """The place in `given`, without the names of union members that pydantic puts between."""
    path: list[str] = []
    for number, part in enumerate(loc, start=1):
        is_absent = number == len(loc) and kind in ("missing", "extra_forbidden")
        is_index = isinstance(given, list) and isinstance(part, int) and part < len(given)
        if is_index or (isinstance(given, dict) and part in given):
            given = given[part]
        elif not is_absent:
            continue
        path.append(str(part))
    return ".".join(path)[:MAX_WHERE]


def _sentence(kind: str, message: str) -> str:
    return "unknown key" if kind == "extra_forbidden" else message.removeprefix("Value error, ")


def problem(
    status: int, code: str, detail: str, *, hint: str | None = None, facts: dict[str, object] | None = None
) -> Response:
    """The one shape of every error."""
    members: dict[str, object] = dict(facts or {})
    members |= {"type": "about:blank", "title": phrase(status), "status": status, "detail": detail, "code": code}
    if hint is not None:
        members["hint"] = hint
    response = Response(json.dumps(members), status, content_type=MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tetherd"'
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def handle_problems(app: Quart) -> None:
    """Answer every error of `app` with a problem document, the framework's own included."""
    app.register_error_handler(TetherError, _of_ours)
    app.register_error_handler(HTTPException, _of_framework)
    app.register_error_handler(Exception, _unexpected)


async def _of_ours(error: TetherError) -> Response:
    match error:
        case Rejected():
            return problem(error.status, error.code, str(error), hint=error.hint, facts=error.facts())
        case Unavailable():
            return problem(error.status, error.code, str(error), hint=error.hint)
        case Misconfigured():
            return problem(HTTPStatus.CONFLICT, "misconfigured", str(error))
        case _:
            return await _unexpected(error)


async def _of_framework(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    is_own_text = error.description != type(error).description
    detail = error.description if is_own_text else OUR_TEXTS.get(status)
    facts: dict[str, object] = {}
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        facts["limit"] = current_app.config["MAX_CONTENT_LENGTH"]
    words = phrase(status)
    response = problem(status, words.lower().replace(" ", "_").replace("-", "_"), detail or words, facts=facts)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


async def _unexpected(error: Exception) -> Response:
    """The boundary behind which no error of ours passes: it is logged, once, and the caller gets its number."""
    error_id = secrets.token_hex(6)
    log.error("request failed", error_id=error_id, exc_info=error)
    detail = "tetherd made a mistake; its log has the rest under this error_id"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, facts={"error_id": error_id})


# Python 3.13 has the words of RFC 9110 for these, older ones those of its predecessors.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}


def phrase(status: int) -> str:
    """The reason phrase, the same with every version of Python."""
    if status in _PHRASES:
        return _PHRASES[status]
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
