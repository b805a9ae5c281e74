"""How long a model takes, and what a run costs. Ours."""

from __future__ import annotations

import msgspec

from hearth.api.http import Request
from hearth.api.route import NOT_FOUND, Route


class TimingBody(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, of the latest runs that succeeded (20 at most) and boots (5). Null: not known yet."""

    version: str
    runs: int
    """How many of them are known. Those of the last minute may be missing."""
    run_p50: float | None
    run_p90: float | None
    boots: int
    boot_p50: float | None
    hardware: str
    price: float
    """Of the hardware, per second; 0: it has none."""
    cost_p50: float | None
    """Of a run, at today's price."""


async def timing(request: Request) -> TimingBody:
    owner, name, id = request.params["owner"], request.params["name"], request.params.get("version", "latest")
    model = await request.services.models.get(request.account, owner, name)
    version = await request.services.models.version(request.account, owner, name, id)
    found = await request.services.timings.of(model, version)
    return TimingBody(version=version.id, cost_p50=found.cost_p50, **msgspec.structs.asdict(found))


def _route(path: str, operation_id: str, summary: str) -> Route:
    return Route(
        method="GET",
        path=f"/models/{{owner}}/{{name}}{path}/timing",
        operation_id=operation_id,
        summary=summary,
        handler=timing,
        reply=TimingBody,
        errors=NOT_FOUND,
        ours=True,
    )


ROUTES = (
    _route("", "models.timing", "Tell how long runs and boots of a model's latest version take, and what a run costs"),
    _route("/versions/{version}", "models.versions.timing", "Tell how long one version takes, and what a run costs"),
)
