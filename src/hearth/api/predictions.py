"""Predictions: two doors in, get, list, cancel, and what happened to them."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any, Literal, NamedTuple

import msgspec

from hearth import errors
from hearth.api import once, paging, prefer, stream, wire
from hearth.api.bodies import DeliveryBody, EventBody, PageBody, PredictionBody, Results, TrainingBody
from hearth.api.http import Request, Stream
from hearth.api.route import CURSOR, NOT_FOUND, Failures, Parameter, Route
from hearth.domain.deployment import Deployment
from hearth.domain.file import File, parse_reference
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.domain.priority import Priority
from hearth.errors import InvalidField, InvalidInput, InvalidRequest, NotFound, Pointer

_MIME = re.compile(r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")

EventName = Literal["start", "output", "logs", "completed"]


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """What both doors take. `version` is required at POST /predictions only."""

    input: dict[str, Any]
    version: str | None = None
    webhook: str | None = None
    webhook_events_filter: list[EventName] | None = None
    webhook_completed: str | None = None
    """Older clients' way to say: this address, only the end."""
    lifetime: str | int | None = None
    """As the header Cancel-After, which goes first."""
    retention: str | int | None = None
    """As the header Retain-For, which goes first."""
    priority: Priority | None = None
    """As the header Priority-Class, which goes first."""
    stream: Any = None
    """`true`, as clients send it: somebody is going to read the stream."""


class CreateByVersion(Create, frozen=True, kw_only=True):
    version: str


async def create(request: Request, body: CreateByVersion) -> PredictionBody:
    if not body.version:
        raise InvalidInput((InvalidField("required", "version", "version is required"),))
    return await _create(request, body, None)


async def create_for_model(request: Request, body: Create) -> PredictionBody:
    return await _create(request, body, (request.params["owner"], request.params["name"]))


async def create_for_deployment(request: Request, body: Create) -> PredictionBody:
    owner, name = request.params["owner"], request.params["name"]
    deployment = await request.services.deployments.route(request.account, owner, name)
    return await _create(request, body, None, deployment)


async def _create(
    request: Request, body: Create, model: tuple[str, str] | None, deployment: Deployment | None = None
) -> PredictionBody:
    asked, cancel_after, retention, priority = _headers(request, body)
    webhook, events = body.webhook or None, body.webhook_events_filter
    if webhook is None and body.webhook_completed:
        webhook, events = body.webhook_completed, ["completed"]
    prediction = await request.services.predictions.create(
        request.account,
        version=body.version or None,
        model=model,
        input=body.input,
        webhook=webhook,
        webhook_events=events or None,
        hold=asked.seconds,
        cancel_after=cancel_after,
        retention=retention,
        priority=priority,
        streamed=body.stream is True,
        once=once.of(request, body),
        origin=request.origin,
        deployment=deployment,
    )
    origin = request.origin
    request.reply_headers.append((b"location", f"{origin}/v1/predictions/{prediction.id}".encode("latin-1")))
    if asked.applied is not None:
        request.reply_headers.append((b"preference-applied", asked.applied.encode("latin-1")))
        if prediction.phase is Phase.SUCCEEDED and origin.startswith("http:"):
            prediction = await _with_data_uris(request, prediction)
    return await request.services.wire.created(prediction, origin)


class _Asked(NamedTuple):
    hold: prefer.Hold
    cancel_after: float | None
    retention: float | None
    priority: Priority | None


def _headers(request: Request, body: Create) -> _Asked:
    wanted = read_timeout = cancel_after = retention = None
    priority = body.priority
    for name, value in request.headers:
        if name == b"prefer":
            text = value.decode("latin-1")
            wanted = f"{wanted},{text}" if wanted else text
        elif name == b"cancel-after":
            cancel_after = prefer.lifetime(value.decode("latin-1"), "/Cancel-After")
        elif name == b"retain-for":
            retention = prefer.retention(value.decode("latin-1"), "/Retain-For")
        elif name == b"priority-class":
            priority = prefer.priority(value.decode("latin-1"), "/Priority-Class")
        elif name == b"x-stainless-read-timeout":
            read_timeout = value.decode("latin-1")
    if cancel_after is None and body.lifetime is not None:
        cancel_after = prefer.lifetime(str(body.lifetime), "/lifetime")
    if retention is None and body.retention is not None:
        retention = prefer.retention(str(body.retention), "/retention")
    return _Asked(prefer.hold(wanted, read_timeout), cancel_after, retention, priority)


async def _with_data_uris(request: Request, prediction: Prediction) -> Prediction:
    """Its output with files inlined, in order, while they fit the limit; the rest stay URLs.

    Clients make file objects of https: and data: only (client-contract.md section 9).
    """
    references: list[tuple[str, str]] = []
    _collect(prediction.output, references)
    if not references:
        return prediction
    left, uris = request.options.data_uri_outputs, dict[str, str]()
    for id_, name in references:
        try:
            file = await request.services.files.open(id_, name)
        except NotFound:
            continue
        if file.size <= left and file.reference not in uris:
            left -= file.size
            uris[file.reference] = await _data_uri(request, file)
    return msgspec.structs.replace(prediction, output=_replace(prediction.output, uris))


async def _data_uri(request: Request, file: File) -> str:
    data = b"".join([chunk async for chunk in request.services.files.content(file, 0, file.size)])
    encoded = base64.b64encode(data) if len(data) < 1 << 20 else await asyncio.to_thread(base64.b64encode, data)
    kind = file.content_type.partition(";")[0].strip()
    kind = kind if _MIME.match(kind) else "application/octet-stream"
    return f"data:{kind};base64,{encoded.decode()}"


def _collect(value: Any, found: list[tuple[str, str]]) -> None:
    if isinstance(value, str):
        reference = parse_reference(value)
        if reference:
            found.append(reference)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)


def _replace(value: Any, by: dict[str, str]) -> Any:
    if isinstance(value, str):
        return by.get(value, value)
    if isinstance(value, list):
        return [_replace(item, by) for item in value]
    if isinstance(value, dict):
        return {key: _replace(item, by) for key, item in value.items()}
    return value


async def get(request: Request) -> PredictionBody | TrainingBody:
    """Trainings are found here as well: they share the ids."""
    return await _body(request, await request.services.predictions.get(request.account, request.params["id"]))


async def _body(request: Request, found: Prediction) -> PredictionBody | TrainingBody:
    if found.kind is PredictionKind.TRAINING:
        return request.services.wire.training(found, request.origin, room="predictions", nothing=None)
    return await request.services.wire.read(found, request.origin)


async def index(request: Request) -> PageBody[PredictionBody]:
    source = request.query.get("source") or None
    if source not in (None, "web", "api"):
        raise InvalidRequest(errors=(Pointer("/source", 'The only sources are "web" and "api".'),))
    found = await request.services.predictions.page(
        request.account,
        cursor=paging.cursor(request),
        created_after=paging.time(request, "created_after"),
        created_before=paging.time(request, "created_before"),
        source=source,
    )
    as_body = request.services.wire.read
    return paging.page(request, found, [await as_body(p, request.origin) for p in found.items])


async def cancel(request: Request) -> PredictionBody | TrainingBody:
    return await _body(request, await request.services.predictions.cancel(request.account, request.params["id"]))


async def timeline(request: Request) -> Results[EventBody] | Stream:
    """With `?follow=true` the events come as they happen, as server-sent events named by kind."""
    if request.query.get("follow") in ("true", "1"):
        prediction = await request.services.predictions.get(request.account, request.params["id"])
        if prediction.data_removed:
            raise NotFound("This prediction's data has been removed.")
        return stream.answer(stream.follow(request, prediction))
    found = await request.services.predictions.timeline(request.account, request.params["id"])
    return Results([wire.event(e) for e in found])


async def webhooks(request: Request) -> Results[DeliveryBody]:
    found = await request.services.predictions.deliveries(request.account, request.params["id"])
    return Results([wire.delivery(d, attempts) for d, attempts in found])


_CREATE_ERRORS: Failures = (
    errors.InvalidInput,
    errors.InvalidVersion,
    errors.InvalidRequest,
    errors.AddressRefused,
    errors.KeyReused,
    errors.LineFull,
    errors.Unavailable,
)
_CREATE_HEADERS = (
    Parameter("Prefer", "`wait` or `wait=n`: hold the answer until the end, for up to n (1 to 60) seconds.", "header"),
    Parameter("Cancel-After", "Cancel it this long after creation: `30`, `30s`, `5m`, `1h30m45s`.", "header"),
    Parameter("Priority-Class", "`interactive`, `normal` or `batch`: who goes first when there is a line.", "header"),
    Parameter("Retain-For", "Remove its data this long after its end: `0`, `30s`, `5m`, `2h`, `7d`.", "header"),
)

ROUTES = (
    Route(
        method="POST",
        path="/predictions",
        operation_id="predictions.create",
        summary="Create a prediction",
        handler=create,
        body=CreateByVersion,
        reply=PredictionBody,
        status=201,
        errors=_CREATE_ERRORS,
        parameters=_CREATE_HEADERS,
        creates=True,
        input_errors=True,
    ),
    Route(
        method="POST",
        path="/models/{owner}/{name}/predictions",
        operation_id="models.predictions.create",
        summary="Create a prediction using a model's latest version",
        handler=create_for_model,
        body=Create,
        reply=PredictionBody,
        status=201,
        errors=(*_CREATE_ERRORS, errors.NotFound),
        parameters=_CREATE_HEADERS,
        creates=True,
        input_errors=True,
    ),
    Route(
        method="POST",
        path="/deployments/{owner}/{name}/predictions",
        operation_id="deployments.predictions.create",
        summary="Create a prediction using a deployment",
        handler=create_for_deployment,
        body=Create,
        reply=PredictionBody,
        status=201,
        errors=(*_CREATE_ERRORS, errors.NotFound, errors.Conflict),
        parameters=_CREATE_HEADERS,
        creates=True,
        input_errors=True,
    ),
    Route(
        method="GET",
        path="/predictions",
        operation_id="predictions.list",
        summary="List predictions, newest first",
        handler=index,
        reply=PageBody[PredictionBody],
        errors=(errors.InvalidRequest,),
        parameters=(
            CURSOR,
            Parameter("created_after", "Only those created at or after this time (ISO 8601)."),
            Parameter("created_before", "Only those created before this time (ISO 8601)."),
            Parameter("source", "`web`: only those made in the browser."),
        ),
    ),
    Route(
        method="GET",
        path="/predictions/{id}",
        operation_id="predictions.get",
        summary="Get a prediction",
        handler=get,
        reply=PredictionBody,
        errors=NOT_FOUND,
    ),
    Route(
        method="POST",
        path="/predictions/{id}/cancel",
        operation_id="predictions.cancel",
        summary="Cancel a prediction",
        handler=cancel,
        reply=PredictionBody,
        errors=NOT_FOUND,
    ),
    Route(
        method="GET",
        path="/predictions/{id}/events",
        operation_id="predictions.events.list",
        summary="List what happened to a prediction",
        handler=timeline,
        reply=Results[EventBody],
        errors=NOT_FOUND,
        streams=True,
        parameters=(Parameter("follow", "`true`: send events as they happen, as server-sent events."),),
        ours=True,
    ),
    Route(
        method="GET",
        path="/predictions/{id}/webhooks",
        operation_id="predictions.webhooks.list",
        summary="List a prediction's webhook deliveries and their attempts",
        handler=webhooks,
        reply=Results[DeliveryBody],
        errors=NOT_FOUND,
        ours=True,
    ),
)
