"""The OpenAPI 3.1 document, from the routes and schemas.

python -m tetherd.api.openapi > ui/openapi.json
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue, TypeAdapter

from tetherd.api.auth import KEY_HEADER
from tetherd.api.problems import MEDIA_TYPE, phrase
from tetherd.api.route import MAX_KEY, PREFIX, Call, Route, Shape, Who, shape_of
from tetherd.api.routes import approvals, audit, bridges, devices, events, rules, sessions, system
from tetherd.control import Delta
from tetherd.domain.events import Event
from tetherd.schema import ID_PATTERNS, EnvelopeBody, Problem

_REF = "#/components/schemas/{model}"
_STREAM = (
    "Server-sent events. `id` is EPOCH.SEQ and `event` the type of the Envelope in `data`; `event: delta` has a Delta"
    " in `data` and no id. A comment comes at once and every 15 s."
)


async def get_openapi(call: Call) -> dict[str, JsonValue]:
    """This document."""
    return document()


ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    Route(method="GET", path="/openapi.json", handler=get_openapi, who=Who.ANYBODY),
    *sessions.ROUTES,
    *events.ROUTES,
    *approvals.ROUTES,
    *bridges.ROUTES,
    *rules.ROUTES,
    *audit.ROUTES,
    *devices.ROUTES,
)
"""The whole API: what is registered, and what is described."""


def document() -> dict[str, JsonValue]:
    """The same for the same code: nothing in it depends on the machine, the settings or the version."""
    shapes = {route: shape_of(route) for route in ROUTES}
    schemas, components = _schemas(shapes)
    paths: dict[str, Any] = {}
    for route, shape in shapes.items():
        path = paths.setdefault(PREFIX + route.path, {})
        path[route.method.lower()] = _operation(route, shape, schemas, components)
    for shape in shapes.values():  # their members stand as parameters; nothing else speaks of them
        if shape.query is not None:
            components.pop(shape.query.__name__, None)
    refusals = {status for route, shape in shapes.items() for status in _refusals(route, shape)}
    problem = schemas[Problem, "serialization"]
    return {
        "openapi": "3.1.0",
        "info": {"title": "tetherd", "version": "1", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"device": []}],
        "paths": paths,
        "components": {
            "schemas": {name: components[name] for name in sorted(components)},
            "responses": {
                str(status): {"description": phrase(status), "content": {MEDIA_TYPE: {"schema": problem}}}
                for status in sorted(refusals)
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                # the other half is a cookie; neither is worth anything alone
                "device": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
            },
        },
    }


_Schemas = Mapping[tuple[Any, str], dict[str, Any]]


def _schemas(shapes: Mapping[Route, Shape]) -> tuple[_Schemas, dict[str, Any]]:
    """The schema of each type by (type, mode), and what they refer to."""
    wanted: dict[tuple[Any, str], Any] = {}
    for route, shape in shapes.items():
        for given in (shape.query, shape.body):
            if given is not None:
                wanted[given, "validation"] = TypeAdapter(given)
        if shape.answer is not None and not route.is_stream:
            wanted[shape.answer, "serialization"] = TypeAdapter(shape.answer)
    told: Any
    for told in (Problem, Event, EnvelopeBody, Delta):
        wanted[told, "serialization"] = TypeAdapter(told)
    inputs: Any = [(kind, mode, adapter) for (kind, mode), adapter in wanted.items()]
    schemas, defs = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    made: Any = schemas
    return made, defs.get("$defs", {})


def _operation(route: Route, shape: Shape, schemas: _Schemas, components: Mapping[str, Any]) -> dict[str, Any]:
    summary = (route.handler.__doc__ or "").partition("\n")[0].rstrip(".")
    operation: dict[str, Any] = {"operationId": route.handler.__name__, "summary": summary}
    parameters = _parameters(route, shape, components)
    if parameters:
        operation["parameters"] = parameters
    if shape.body is not None:
        schema = schemas[shape.body, "validation"]
        whole = _resolved(schema, components)
        needs = any(word in whole for word in ("required", "minProperties", "oneOf"))
        operation["requestBody"] = {"required": needs, "content": {"application/json": {"schema": schema}}}
    if route.who is Who.ANYBODY:
        operation["security"] = []
    operation["responses"] = _responses(route, shape, schemas)
    return operation


def _parameters(route: Route, shape: Shape, components: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in path_names(route):
        schema = {"type": "string", "pattern": ID_PATTERNS[name]}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    if shape.query is not None:
        for name, member in components[shape.query.__name__]["properties"].items():
            found.append({"name": name, "in": "query", "required": False} | _query_member(member))
    if route.is_stream:
        found.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}})
    if shape.body is not None:
        key = {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    return found


def _query_member(member: dict[str, Any]) -> dict[str, Any]:
    """A query string knows no null, and lists stand in it as a,b."""
    schema = {key: value for key, value in member.items() if key not in ("anyOf", "title", "default")}
    for one in member.get("anyOf", ()):
        if one.get("type") != "null":
            schema |= one
    if member.get("default") not in (None, []):
        schema["default"] = member["default"]
    return {"schema": schema} | ({"style": "form", "explode": False} if schema.get("type") == "array" else {})


def _responses(route: Route, shape: Shape, schemas: _Schemas) -> dict[str, Any]:
    done: dict[str, Any] = {"description": phrase(route.status)}
    if route.is_stream:
        done = {"description": _STREAM, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    elif shape.answer is not None:
        done["content"] = {"application/json": {"schema": schemas[shape.answer, "serialization"]}}
    responses: dict[str, Any] = {str(route.status): done}
    if route.has_etag:
        responses["304"] = {"description": "Nothing has changed since If-None-Match"}
    for status in sorted(_refusals(route, shape)):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return responses


def _refusals(route: Route, shape: Shape) -> frozenset[int]:
    refusals = {403, 421, 422, 500} | route.refuses
    if route.who is not Who.ANYBODY:
        refusals |= {401, 503}
    if path_names(route):
        refusals |= {404}
    if shape.body is not None:
        refusals |= {400, 408, 413, 415}
    if route.is_stream:
        refusals |= {410, 429}
    return frozenset(refusals)


def path_names(route: Route) -> list[str]:
    """The ids in its path, in order."""
    return re.findall(r"{(\w+)}", route.path)


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return components[reference.rpartition("/")[2]] if reference else schema


if __name__ == "__main__":
    print(json.dumps(document(), indent=2, ensure_ascii=False))
