"""The part of the OpenAPI document that is the same for every model."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def document(components: dict[str, Schema], *, trainable: bool, streams: bool) -> Schema:
    """The whole document around a model's `Input`, `Output` and enumerations."""
    schemas = dict(components)
    schemas |= _envelopes("Prediction", "Input", "Output")
    paths: dict[str, Any] = {
        "/": {"get": _operation("Root", "root__get")},
        "/health-check": {"get": _operation("Healthcheck", "healthcheck_health_check_get")},
        **_routes("prediction", "Predict", "predict"),
        "/shutdown": {"post": _operation("Start Shutdown", "start_shutdown_shutdown_post")},
    }
    if streams:
        paths["/predictions"]["post"]["x-cog-streaming"] = True
    if trainable:
        schemas |= _envelopes("Training", "TrainingInput", "TrainingOutput")
        paths |= _routes("training", "Train", "train")
    schemas |= _COMMON
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _operation(
    summary: str,
    operation: str,
    *,
    body: str | None = None,
    response: str | None = None,
    parameter: str | None = None,
    description: str | None = None,
) -> Schema:
    result: Schema = {"summary": summary, "operationId": operation}
    if description:
        result["description"] = description
    success: Schema = {"description": "Successful Response", "content": _content({})}
    if response:
        success["content"] = _content(_ref(response))
    result["responses"] = {"200": success}
    if parameter:
        result["parameters"] = [
            {
                "name": parameter,
                "in": "path",
                "required": True,
                "schema": {"title": parameter.replace("_", " ").title(), "type": "string"},
            }
        ]
    if body:
        result["requestBody"] = {"content": _content(_ref(body))}
    if body or parameter:
        result["responses"]["422"] = {
            "description": "Validation Error",
            "content": _content(_ref("HTTPValidationError")),
        }
    return result


def _routes(noun: str, summary: str, verb: str) -> Schema:
    plural, id = f"{noun}s", f"{noun}_id"
    request, response = f"{noun.title()}Request", f"{noun.title()}Response"
    return {
        f"/{plural}": {
            "post": _operation(
                summary,
                f"{verb}_{plural}_post",
                body=request,
                response=response,
                description=f"Run a single {noun} on the model",
            )
        },
        f"/{plural}/{{{id}}}": {
            "put": _operation(
                f"{summary} Idempotent",
                f"{verb}_idempotent_{plural}__{id}__put",
                body=request,
                response=response,
                parameter=id,
                description=f"Run a single {noun} on the model (idempotent creation).",
            )
        },
        f"/{plural}/{{{id}}}/cancel": {
            "post": _operation(
                "Cancel",
                f"cancel_{plural}__{id}__cancel_post",
                parameter=id,
                description=f"Cancel a running {noun}",
            )
        },
    }


def _text(title: str, **more: Any) -> Schema:
    return {"title": title, "type": "string", **more}


def _envelopes(noun: str, input: str, output: str) -> dict[str, Schema]:
    return {
        f"{noun}Request": {
            "title": f"{noun}Request",
            "type": "object",
            "properties": {"id": _text("Id"), "input": _ref(input)},
        },
        f"{noun}Response": {
            "title": f"{noun}Response",
            "type": "object",
            "properties": {
                "input": _ref(input),
                "output": _ref(output),
                "id": _text("Id"),
                "version": _text("Version"),
                "created_at": _text("Created At", format="date-time"),
                "started_at": _text("Started At", format="date-time"),
                "completed_at": _text("Completed At", format="date-time"),
                "status": _ref("Status"),
                "error": _text("Error"),
                "logs": _text("Logs", default=""),
                "metrics": {"title": "Metrics", "type": "object"},
            },
        },
    }


_COMMON: dict[str, Schema] = {
    "Status": {
        "title": "Status",
        "description": "An enumeration.",
        "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
        "type": "string",
    },
    "HTTPValidationError": {
        "title": "HTTPValidationError",
        "type": "object",
        "properties": {
            "detail": {"title": "Detail", "type": "array", "items": _ref("ValidationError")},
        },
    },
    "ValidationError": {
        "title": "ValidationError",
        "required": ["loc", "msg", "type"],
        "type": "object",
        "properties": {
            "loc": {
                "title": "Location",
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
            "msg": _text("Message"),
            "type": _text("Error Type"),
        },
    },
}
