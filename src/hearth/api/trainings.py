"""Trainings: created at a version, then read and cancelled by their id, here or as predictions."""

from __future__ import annotations

from typing import Any

import msgspec

from hearth import errors
from hearth.api import once, paging
from hearth.api.bodies import PageBody, TrainingBody
from hearth.api.http import Request
from hearth.api.predictions import EventName
from hearth.api.route import CURSOR, NOT_FOUND, Route


class CreateTraining(msgspec.Struct, frozen=True, kw_only=True):
    destination: str
    input: dict[str, Any]
    webhook: str | None = None
    webhook_events_filter: list[EventName] | None = None


async def create(request: Request, body: CreateTraining) -> TrainingBody:
    params = request.params
    training = await request.services.trainings.create(
        request.account,
        owner=params["owner"],
        name=params["name"],
        version=params["id"],
        destination=body.destination,
        input=body.input,
        webhook=body.webhook or None,
        webhook_events=body.webhook_events_filter or None,
        once=once.of(request, body),
        origin=request.origin,
    )
    location = f"{request.origin}/v1/trainings/{training.id}"
    request.reply_headers.append((b"location", location.encode("latin-1")))
    return request.services.wire.training(training, request.origin, room="predictions")


async def get(request: Request) -> TrainingBody:
    training = await request.services.trainings.get(request.account, request.params["id"])
    return request.services.wire.training(training, request.origin)


async def index(request: Request) -> PageBody[TrainingBody]:
    found = await request.services.trainings.page(request.account, paging.cursor(request))
    return paging.page(request, found, [request.services.wire.training(t, request.origin) for t in found.items])


async def cancel(request: Request) -> TrainingBody:
    training = await request.services.trainings.cancel(request.account, request.params["id"])
    return request.services.wire.training(training, request.origin)


ROUTES = (
    Route(
        method="POST",
        path="/models/{owner}/{name}/versions/{id}/trainings",
        operation_id="trainings.create",
        summary="Train a version; the result is a new version of the destination",
        handler=create,
        body=CreateTraining,
        reply=TrainingBody,
        status=201,
        errors=(errors.NotFound, errors.InvalidRequest, errors.InvalidInput, errors.Unavailable),
        creates=True,
        input_errors=True,
    ),
    Route(
        method="GET",
        path="/trainings",
        operation_id="trainings.list",
        summary="List your trainings, newest first",
        handler=index,
        reply=PageBody[TrainingBody],
        errors=(errors.InvalidRequest,),
        parameters=(CURSOR,),
    ),
    Route(
        method="GET",
        path="/trainings/{id}",
        operation_id="trainings.get",
        summary="Get a training",
        handler=get,
        reply=TrainingBody,
        errors=NOT_FOUND,
    ),
    Route(
        method="POST",
        path="/trainings/{id}/cancel",
        operation_id="trainings.cancel",
        summary="Cancel a training",
        handler=cancel,
        reply=TrainingBody,
        errors=NOT_FOUND,
    ),
)
