"""Our OpenAPI document, made of the table of operations and the types in it. Nothing in it is written by hand twice.

Operations keep the ids they have in Replicate's document; ours alone are tagged `hearth`. `QUERY /models` has a
place in OpenAPI 3.2 only. Generators want 3.1, so there it stands beside the others as an extension, `x-query`:
as Replicate has it, the document would not be valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hearth import __version__, errors
from hearth.api import once
from hearth.api.errors import Problem, status_for
from hearth.api.openai.refusals import Refusal
from hearth.api.route import Auth, Content, Failures, Parameter, Route

_KEYED = once.ANSWERED | {
    "predictions.create", "models.predictions.create", "deployments.predictions.create", "trainings.create",
    "files.create",
}  # fmt: skip
_IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key", "Within 24 hours, the same key gives the first answer again instead of another one.", "header"
)
_PREDICTION = {"input": {"text": "Alice"}}
_TYPES: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 20},
    "sort_by": {"type": "string", "enum": ["model_created_at", "latest_version_created_at"]},
    "sort_direction": {"type": "string", "enum": ["asc", "desc"]},
    "source": {"type": "string", "enum": ["web", "api"]},
    "created_after": {"type": "string", "format": "date-time"},
    "created_before": {"type": "string", "format": "date-time"},
    "follow": {"type": "string", "enum": ["true", "false"]},
    "logs": {"type": "string", "enum": ["true", "false"]},
    "expiry": {"type": "integer"},
    "version": {"type": "string", "enum": ["3.1", "3.2"], "default": "3.1"},
    "Prefer": {"type": "string", "example": "wait=5"},
    "Cancel-After": {"type": "string", "example": "1m"},
    "Retain-For": {"type": "string", "example": "1h"},
    "Idempotency-Key": {"type": "string", "minLength": 1, "maxLength": 255},
}
"""Parameters that are more than any string, by name."""
_EXAMPLES: dict[str, Any] = {
    "predictions.create": {"version": "alice/hello-world", **_PREDICTION},
    "models.predictions.create": _PREDICTION,
    "deployments.predictions.create": _PREDICTION,
    "models.create": {"owner": "alice", "name": "hot-dog-detector", "visibility": "private", "hardware": "cpu"},
    "deployments.create": {
        "name": "app-image-generator", "model": "alice/image-generator", "version": "5" * 64, "hardware": "cpu",
        "min_instances": 0, "max_instances": 3,
    },
    "trainings.create": {"destination": "alice/tuned", "input": {"data": "https://example.com/words.txt"}},
    "tokens.create": {"name": "laptop"},
    "models.tokens": {"text": "Alice"},
    "models.versions.tokens": {"text": "Alice"},
}  # fmt: skip
_PLAIN = frozenset({"search", "search.query"})
"""Answer a missing query with a bare detail, as Replicate does (replicate-platform.md 5.1)."""
_DETAIL = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
_SINGULAR = {"pushes": "push", "deliveries": "delivery", "predictions": "prediction"}
_BYTES = {"type": "string", "format": "binary"}
"""As generators of clients know it; JSON Schema by itself has no bytes."""
_FORM = {
    "type": "object",
    "required": ["content"],
    "properties": {
        "content": {**_BYTES, "description": "The file."},
        "filename": {"type": "string", "maxLength": 255},
        "type": {"type": "string", "description": "Its content type."},
        "metadata": {"type": "object", "description": "Anything you want to keep with it."},
    },
}
_STATUS = {
    200: "Done", 201: "Created", 202: "Accepted", 204: "Done; there is nothing to say",
    400: "The request is not valid", 401: "No valid token", 404: "There is no such thing, or it is not yours",
    409: "Not possible in the present state", 413: "Too large", 422: "The input or its version is not valid",
    429: "Too many calls; Retry-After says when to come again", 500: "The server failed",
    503: "Not now; try again in a moment",
}  # fmt: skip


def document(routes: Sequence[Route], origin: str, version: str = "3.1") -> dict[str, Any]:
    """For a server that is reached under `origin`. `version`: of OpenAPI, 3.1 or 3.2."""
    types = [t for route in routes for t in (route.body, route.reply) if t is not None and not _raw(t)]
    schemas, components = msgspec.json.schema_components(
        [Problem, Refusal, *types], ref_template="#/components/schemas/{name}"
    )
    for component in components.values():
        component.pop("title", None)  # the class's name: generators would prefer it to the component's
    known = {_key(t): schema for t, schema in zip([Problem, Refusal, *types], schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda r: r.path):
        path, names = _path(route.path)
        method = "x-query" if route.method == "QUERY" and version == "3.1" else route.method.lower()
        paths.setdefault(path, {})[method] = _operation(route, names, known)
    whole = {
        "openapi": f"{version}.0",
        "info": {
            "title": "Hearth",
            "version": __version__,
            "description": "Replicate's HTTP API on your own machines, and the few operations that Hearth adds.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"{origin}/v1"}],
        "security": [{"bearerAuth": []}],
        "tags": [{"name": "hearth", "description": "Not in Replicate's API."}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "r8_ and 37 characters"}
            },
        },
    }
    renamed: dict[str, Any] = msgspec.json.decode(_rename(msgspec.json.encode(whole), components))
    return renamed


def _operation(route: Route, names: Sequence[str], known: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.operation_id.split(".")[0], *(["hearth"] if route.ours else [])],
    }
    if route.handler.__doc__:
        operation["description"] = " ".join(route.handler.__doc__.split())
    parameters = [*route.parameters, *([_IDEMPOTENCY_KEY] if route.operation_id in _KEYED else [])]
    operation["parameters"] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ] + [_parameter(p) for p in parameters]
    if not operation["parameters"]:
        del operation["parameters"]
    if route.body is not None:
        operation["requestBody"] = _body(route, known)
    if route.auth in (Auth.LINK, Auth.NONE):
        operation["security"] = []
    operation["responses"] = {str(status): answer for status, answer in sorted(_responses(route, known))}
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.summary,
        "schema": _TYPES.get(parameter.name, {"type": "string"}),
    }


def _body(route: Route, known: dict[str, Any]) -> dict[str, Any]:
    if route.body is Content.FORM:
        return {"required": True, "content": {Content.FORM.value: {"schema": _FORM}}}
    if isinstance(route.body, Content):
        return {"required": True, "content": {route.body.value: {"schema": _raw_schema(route.body)}}}
    media: dict[str, Any] = {"schema": known[_key(route.body)]}
    if route.operation_id in _EXAMPLES:
        media["example"] = _EXAMPLES[route.operation_id]
    return {"required": True, "content": {"application/json": media}}


def _responses(route: Route, known: dict[str, Any]) -> Iterable[tuple[int, dict[str, Any]]]:
    yield route.status, {"description": _STATUS[route.status], **_content(route, known)}
    if route.input_errors:
        yield 202, {"description": "Never sent by Hearth, which answers 201 here too", **_content(route, known)}
    if route.reply is Content.BINARY:
        yield 206, {"description": "The part that Range asks for", **_content(route, known)}
        yield 304, {"description": "Unchanged"}
        yield 416, {"description": "There is no such part", **_problem(known)}
    for status in sorted({status_for(kind) for kind in _failures(route)}):
        problem = _refusal(known) if route.openai else _problem(known)
        if status == 400 and route.operation_id in _PLAIN:
            problem["content"]["application/json"] = {"schema": _DETAIL}
        yield status, {"description": _STATUS[status], **problem}


def _failures(route: Route) -> Failures:
    found = route.errors
    if route.auth in (Auth.TOKEN, Auth.ADMIN):
        found += (errors.Unauthenticated, errors.Throttled, errors.Unavailable)
    if route.auth is Auth.ADMIN:
        found += (errors.NotFound,)
    if route.body is not None and not isinstance(route.body, Content):
        found += (errors.InvalidRequest, errors.TooLarge)
    if route.operation_id in _KEYED:
        found += (errors.KeyReused, errors.Conflict, errors.InvalidRequest)
    return found


def _content(route: Route, known: dict[str, Any]) -> dict[str, Any]:
    if route.reply is None:
        return {}
    if isinstance(route.reply, Content):
        return {"content": {route.reply.value: {"schema": _raw_schema(route.reply)}}}
    content: dict[str, Any] = {"application/json": {"schema": known[_key(route.reply)]}}
    if route.streams:
        content[Content.EVENTS.value] = {"schema": {"type": "string"}}
    return {"content": content}


def _raw_schema(content: Content) -> dict[str, Any]:
    return _BYTES if content in (Content.BINARY, Content.TAR) else {"type": "string"}


def _problem(known: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/problem+json": {"schema": known[_key(Problem)]}}}


def _refusal(known: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": known[_key(Refusal)]}}}


def _path(path: str) -> tuple[str, list[str]]:
    """`/models/{owner}` as `/models/{model_owner}`: names say what they name, as in Replicate's document."""
    names: list[str] = []
    noun = ""
    parts = path.split("/")
    for at, part in enumerate(parts):
        if part.startswith("{"):
            names.append(f"{noun}_{part[1:-1]}")
            parts[at] = f"{{{names[-1]}}}"
        else:
            noun = _SINGULAR.get(part, part.removesuffix("s"))
    return "/".join(parts), names


def _rename(text: bytes, components: dict[str, Any]) -> bytes:
    """`PageBody_ModelBody_` as `ModelPage`, `ModelBody` as `Model`: generated clients name their types so."""
    for name in sorted(components, key=len, reverse=True):
        inner = re.fullmatch(r"(PageBody|Results)_(\w+)_", name)
        new = f"{_short(inner[2])}{'Page' if inner[1] == 'PageBody' else 'List'}" if inner else _short(name)
        if new != name and (inner or new not in components):
            text = text.replace(f'"{name}":'.encode(), f'"{new}":'.encode())
            text = text.replace(f'"#/components/schemas/{name}"'.encode(), f'"#/components/schemas/{new}"'.encode())
    return text


def _short(name: str) -> str:
    return name.removesuffix("Body") or name


def _raw(type_: Any) -> bool:
    return isinstance(type_, Content)


def _key(type_: Any) -> str:
    return repr(type_)
