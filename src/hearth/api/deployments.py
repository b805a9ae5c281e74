"""Deployments. Their predictions are created in `predictions.py`."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from hearth import errors
from hearth.api import paging, wire
from hearth.api.bodies import DeploymentBody, PageBody
from hearth.api.http import Request
from hearth.api.route import CURSOR, NOT_FOUND, Route


class CreateDeployment(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    model: str
    version: str
    hardware: str
    min_instances: int
    max_instances: int
    batch_size: int | None = None
    batch_wait: float | None = None
    """Ours: how predictions are grouped, where not as the version says (seconds)."""


class UpdateDeployment(msgspec.Struct, frozen=True, kw_only=True):
    version: str | UnsetType = UNSET
    hardware: str | UnsetType = UNSET
    min_instances: int | UnsetType = UNSET
    max_instances: int | UnsetType = UNSET
    batch_size: int | UnsetType | None = UNSET
    batch_wait: float | UnsetType | None = UNSET
    """Null: as the version says."""
    model: str | UnsetType = UNSET
    """May be named, not changed."""


async def create(request: Request, body: CreateDeployment) -> DeploymentBody:
    made = await request.services.deployments.create(request.account, **msgspec.structs.asdict(body))
    return wire.deployment(made, request.account)


async def get(request: Request) -> DeploymentBody:
    return wire.deployment(await request.services.deployments.get(request.account, *_name(request)), request.account)


async def index(request: Request) -> PageBody[DeploymentBody]:
    found = await request.services.deployments.page(request.account, paging.cursor(request))
    return paging.page(request, found, [wire.deployment(d, request.account) for d in found.items])


async def update(request: Request, body: UpdateDeployment) -> DeploymentBody:
    fields: dict[str, Any] = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not UNSET}
    changed = await request.services.deployments.update(request.account, *_name(request), fields)
    return wire.deployment(changed, request.account)


async def delete(request: Request) -> None:
    await request.services.deployments.delete(request.account, *_name(request))


def _name(request: Request) -> tuple[str, str]:
    return request.params["owner"], request.params["name"]


ROUTES = (
    Route(
        method="GET",
        path="/deployments",
        operation_id="deployments.list",
        summary="List your deployments, newest first",
        handler=index,
        reply=PageBody[DeploymentBody],
        errors=(errors.InvalidRequest,),
        parameters=(CURSOR,),
    ),
    Route(
        method="POST",
        path="/deployments",
        operation_id="deployments.create",
        summary="Create a deployment",
        handler=create,
        body=CreateDeployment,
        reply=DeploymentBody,
        errors=(errors.InvalidRequest, errors.Conflict),
        creates=True,
    ),
    Route(
        method="GET",
        path="/deployments/{owner}/{name}",
        operation_id="deployments.get",
        summary="Get a deployment",
        handler=get,
        reply=DeploymentBody,
        errors=NOT_FOUND,
    ),
    Route(
        method="PATCH",
        path="/deployments/{owner}/{name}",
        operation_id="deployments.update",
        summary="Update a deployment: every change makes a new release",
        handler=update,
        body=UpdateDeployment,
        reply=DeploymentBody,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict),
    ),
    Route(
        method="DELETE",
        path="/deployments/{owner}/{name}",
        operation_id="deployments.delete",
        summary="Delete a deployment that is offline and was not used lately",
        handler=delete,
        status=204,
        errors=(errors.NotFound, errors.Conflict),
    ),
)
