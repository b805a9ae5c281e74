"""What the server says of itself: health, readiness, metrics."""

from __future__ import annotations

import logging

import msgspec

from hearth.api.http import Reply, Request
from hearth.api.route import Auth, Content, Route
from hearth.errors import Unavailable

log = logging.getLogger("hearth.api")


class Health(msgspec.Struct, frozen=True):
    status: str


async def healthz(request: Request) -> Health:
    return Health("ok")


async def readyz(request: Request) -> Health:
    try:
        await request.services.ready()
    except Exception:  # the boundary: every driver has its own errors, and any of them means "not now"
        log.exception("The server is not ready.")
        raise Unavailable("The server cannot do its work now; its log says why.") from None
    return Health("ready")


async def metrics(request: Request) -> Reply:
    return Reply(200, request.services.metrics.text(), request.services.metrics.content_type)


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        operation_id="healthz",
        summary="The process answers",
        handler=healthz,
        reply=Health,
        auth=Auth.NONE,
        ours=True,
    ),
    Route(
        method="GET",
        path="/readyz",
        operation_id="readyz",
        summary="The server can do its work",
        handler=readyz,
        reply=Health,
        auth=Auth.NONE,
        errors=(Unavailable,),
        ours=True,
    ),
    Route(
        method="GET",
        path="/metrics",
        operation_id="metrics",
        summary="Metrics for Prometheus",
        handler=metrics,
        reply=Content.TEXT,
        auth=Auth.NONE,
        ours=True,
    ),
)
