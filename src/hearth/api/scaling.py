"""What is kept warm of a model or deployment, how long its idle instances stay, how many may wait for it. Ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from hearth import errors
from hearth.api import wire
from hearth.api.bodies import Moment
from hearth.api.http import Request
from hearth.api.route import NOT_FOUND, Route
from hearth.errors import NotFound
from hearth.service.scaling import Standing


class PutScaling(msgspec.Struct, frozen=True, kw_only=True):
    warm: int = 0
    """Instances that are kept ready."""
    schedule: str = ""
    """When: `weekdays 8-19`; empty: always."""
    timezone: str = "UTC"
    version: str | None = None
    """Of a model; null: its latest, whichever that is."""
    idle_timeout: float | None = None
    """Seconds that an idle instance stays; null: as the server has it."""
    max_waiting: int | None = None
    """Predictions that may wait for one version, or for the deployment; null: as the server has it."""


class ScalingBody(msgspec.Struct, frozen=True, kw_only=True):
    warm: int
    schedule: str
    timezone: str
    version: str | None
    idle_timeout: float | None
    max_waiting: int | None
    warm_now: int
    next_change: Moment | None
    because: str
    changed_at: Moment
    changed_by: str


Find = Callable[[Request], Awaitable[str]]


async def _model(request: Request) -> str:
    return await request.services.scalings.of_model(request.account, request.params["owner"], request.params["name"])


async def _deployment(request: Request) -> str:
    scalings, params = request.services.scalings, request.params
    return await scalings.of_deployment(request.account, params["owner"], params["name"])


def _routes(nouns: str, noun: str, find: Find) -> tuple[Route, ...]:
    async def get(request: Request) -> ScalingBody:
        found = await request.services.scalings.get(await find(request))
        if found is None:
            raise NotFound("Nothing is set here: the server's own rules apply.")
        return _body(found)

    async def put(request: Request, body: PutScaling) -> ScalingBody:
        standing = await request.services.scalings.put(
            request.account,
            await find(request),
            warm=body.warm,
            schedule=body.schedule,
            zone=body.timezone,
            version=body.version,
            idle_timeout=body.idle_timeout,
            max_waiting=body.max_waiting,
        )
        return _body(standing)

    async def delete(request: Request) -> None:
        await request.services.scalings.remove(await find(request))

    path = f"/{nouns}/{{owner}}/{{name}}/scaling"
    return (
        Route(
            method="GET",
            path=path,
            operation_id=f"{nouns}.scaling.get",
            summary=f"Get what is kept warm of a {noun}, how long its idle instances stay, and how many may wait",
            handler=get,
            reply=ScalingBody,
            errors=NOT_FOUND,
            ours=True,
        ),
        Route(
            method="PUT",
            path=path,
            operation_id=f"{nouns}.scaling.put",
            summary=f"Keep instances of a {noun} warm; set how long idle ones stay, how many may wait",
            handler=put,
            body=PutScaling,
            reply=ScalingBody,
            errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict),
            ours=True,
        ),
        Route(
            method="DELETE",
            path=path,
            operation_id=f"{nouns}.scaling.delete",
            summary=f"Leave a {noun} to the server's own rules again",
            handler=delete,
            status=204,
            errors=NOT_FOUND,
            ours=True,
        ),
    )


ROUTES = (*_routes("models", "model", _model), *_routes("deployments", "deployment", _deployment))


def _body(standing: Standing) -> ScalingBody:
    scaling = standing.scaling
    return ScalingBody(
        warm=scaling.warm,
        schedule=scaling.schedule,
        timezone=scaling.zone,
        version=scaling.version,
        idle_timeout=scaling.idle_timeout,
        max_waiting=scaling.max_waiting,
        warm_now=standing.warm_now,
        next_change=None if standing.next_change is None else wire.moment(standing.next_change),
        because=standing.because,
        changed_at=wire.moment(scaling.changed_at),
        changed_by=scaling.changed_by,
    )
