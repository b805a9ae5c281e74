"""The table of all operations. What the server does, it does because a row here says so."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from hearth.api import (
    accounts,
    admin,
    batches,
    catalog,
    deployments,
    files,
    models,
    openai,
    openapi,
    predictions,
    profile,
    pushes,
    releases,
    scaling,
    scheduler,
    seeding,
    sharing,
    signin,
    stream,
    system,
    timings,
    tokens,
    trainings,
    usage,
)
from hearth.api.http import Reply, Request
from hearth.api.route import Auth, Parameter, Route


@functools.lru_cache(maxsize=16)
def _document(origin: str, version: str) -> bytes:
    return msgspec.json.encode(openapi.document(ROUTES, origin, version))


async def _openapi(request: Request) -> Reply:
    return Reply(200, _document(request.origin, "3.2" if request.query.get("version") == "3.2" else "3.1"))


ROUTES: tuple[Route, ...] = (
    *predictions.ROUTES,
    *sharing.ROUTES,
    *models.ROUTES,
    *catalog.ROUTES,
    *deployments.ROUTES,
    *releases.ROUTES,
    *trainings.ROUTES,
    *batches.ROUTES,
    *tokens.ROUTES,
    *timings.ROUTES,
    *files.ROUTES,
    *accounts.ROUTES,
    *signin.ROUTES,
    *profile.ROUTES,
    *usage.ROUTES,
    *admin.ROUTES,
    *scheduler.ROUTES,
    *scaling.ROUTES,
    *stream.ROUTES,
    *pushes.ROUTES,
    *seeding.ROUTES,
    *openai.ROUTES,
    *system.ROUTES,
    Route(
        method="GET",
        path="/openapi.json",
        operation_id="openapi.get",
        summary="This document",
        handler=_openapi,
        reply=dict[str, Any],
        parameters=(Parameter("version", "Of OpenAPI. 3.2 knows the QUERY method; generators want 3.1."),),
        auth=Auth.NONE,
        ours=True,
    ),
)
