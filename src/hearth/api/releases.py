"""The releases of a deployment, and the way back to an earlier one."""

from __future__ import annotations

from typing import Literal

import msgspec

from hearth import errors
from hearth.api import wire
from hearth.api.bodies import ConfigurationBody, DeploymentBody, Moment, Results
from hearth.api.http import Request
from hearth.api.route import NOT_FOUND, Route


class ReleaseRow(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    model: str
    version: str
    created_at: Moment
    created_by: str
    """A username."""
    configuration: ConfigurationBody
    status: Literal["live", "rolling_out", "failed", "disabled"]
    because: str


async def releases(request: Request) -> Results[ReleaseRow]:
    owner, name = request.params["owner"], request.params["name"]
    return Results(
        [
            ReleaseRow(
                number=release.number,
                model=release.model,
                version=release.version,
                created_at=wire.moment(release.created_at),
                created_by=release.created_by,
                configuration=wire.configuration(release),
                status=release.state.value,
                because=release.because,
            )
            for release in await request.services.deployments.releases(request.account, owner, name)
        ]
    )


async def roll_back(request: Request) -> DeploymentBody:
    owner, name, number = (request.params[key] for key in ("owner", "name", "number"))
    if not number.isdecimal() or len(number) > 9:
        raise errors.NotFound
    changed = await request.services.deployments.roll_back(request.account, owner, name, int(number))
    return wire.deployment(changed, request.account)


ROUTES = (
    Route(
        method="GET",
        path="/deployments/{owner}/{name}/releases",
        operation_id="deployments.releases.list",
        summary="List the releases of a deployment, newest first, a hundred at most",
        handler=releases,
        reply=Results[ReleaseRow],
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="POST",
        path="/deployments/{owner}/{name}/releases/{number}/restore",
        operation_id="deployments.releases.restore",
        summary="Roll back: a new release with the version, hardware and bounds of an earlier one",
        handler=roll_back,
        reply=DeploymentBody,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict),
        ours=True,
    ),
)
