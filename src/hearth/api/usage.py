"""What the account used, and how deployments and the server fared: for plots and for accounting."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from hearth import errors
from hearth.api import wire
from hearth.api.bodies import Moment
from hearth.api.http import Reply, Request
from hearth.api.route import FIELDS, Auth, Content, Parameter, Route
from hearth.domain.usage import date_of
from hearth.errors import InvalidRequest, Pointer
from hearth.service.monitoring import HOURS, Point, Series
from hearth.service.usage import Line, Report, Sum, as_csv, day


class UsageSum(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    """Predictions and trainings that ended."""
    failed: int
    seconds: float
    """From start to end, added up."""
    cost: float
    """Seconds times the hardware's price of today."""


class UsageLine(msgspec.Struct, frozen=True, kw_only=True):
    date: date
    kind: Literal["prediction", "training"]
    model: str
    deployment: str | None
    hardware: str
    count: int
    failed: int
    seconds: float
    cost: float


class UsageBody(msgspec.Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    first: date
    last: date
    total: UsageSum
    results: list[UsageLine]
    """The latest day first."""


class MetricsPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Instances, line and memory are the highest within the step."""

    at: Moment
    ended: int
    failed: int
    run_p50: float | None
    """Seconds of the model's run; null where nothing ran."""
    run_p95: float | None
    total_p95: float | None
    """Seconds from creation to end."""
    starting: int
    idle: int
    processing: int
    waiting: int
    memory: int
    """Bytes, all instances."""
    memory_max: int
    """Bytes, the largest instance."""


class MetricsBody(msgspec.Struct, frozen=True, kw_only=True):
    step: float
    """Seconds between two points."""
    summary: MetricsPoint
    """All of it as one step."""
    results: list[MetricsPoint]
    """The earliest first, without gaps."""


async def usage(request: Request) -> UsageBody:
    found = await _report(request)
    return UsageBody(
        first=found.first, last=found.last, total=_sum(found.total), results=[_line(line) for line in found.lines]
    )


async def usage_csv(request: Request) -> Reply:
    found = await _report(request)
    name = f"usage-{found.first}-{found.last}.csv"
    disposition = (b"content-disposition", f'attachment; filename="{name}"'.encode())
    return Reply(200, as_csv(found).encode(), b"text/csv; charset=utf-8", [disposition])


async def deployment_metrics(request: Request) -> MetricsBody:
    owner, name = request.params["owner"], request.params["name"]
    return _series(await request.services.monitoring.deployment(request.account, owner, name, _hours(request)))


async def server_metrics(request: Request) -> MetricsBody:
    return _series(await request.services.monitoring.server(request.account, _hours(request)))


async def _report(request: Request) -> Report:
    first, last = day(request.query.get("from"), "from"), day(request.query.get("to"), "to")
    return await request.services.usage.report(request.account, first, last)


def _hours(request: Request) -> int:
    text = request.query.get("hours", str(HOURS))
    if not text.isdecimal():
        raise InvalidRequest(errors=(Pointer("/hours", f"hours: must be between 1 and {HOURS}"),))
    return int(text)


def _sum(total: Sum) -> UsageSum:
    return UsageSum(count=total.runs, failed=total.failed, seconds=total.seconds, cost=total.cost)


def _line(line: Line) -> UsageLine:
    used = line.used
    return UsageLine(
        date=date_of(used.day),
        kind=used.kind.value,
        model=used.model,
        deployment=used.deployment,
        hardware=used.hardware,
        count=used.count,
        failed=used.failed,
        seconds=used.seconds,
        cost=line.cost,
    )


def _series(series: Series) -> MetricsBody:
    return MetricsBody(step=series.step, summary=_point(series.whole), results=[_point(p) for p in series.points])


def _point(point: Point) -> MetricsPoint:
    values = point._asdict()
    at, largest = values.pop("at"), values.pop("largest")
    return MetricsPoint(at=wire.moment(at), memory_max=largest, **values)


_WINDOW = (
    Parameter("from", "The first day, `2026-01-31`; 30 days before the last by default."),
    Parameter("to", "The last day; today by default. Days are those of UTC."),
)
_HOURS = Parameter("hours", "How far back, 1 to 24 (default). Up to 4, points are minutes, else five of them.")

ROUTES = (
    Route(
        method="GET",
        path="/account/usage",
        operation_id="account.usage.get",
        summary="What you used, by day, model and hardware, and what it costs",
        handler=usage,
        reply=UsageBody,
        errors=FIELDS,
        parameters=_WINDOW,
        ours=True,
    ),
    Route(
        method="GET",
        path="/account/usage.csv",
        operation_id="account.usage.csv",
        summary="The same as a table for spreadsheets",
        handler=usage_csv,
        reply=Content.CSV,
        errors=FIELDS,
        parameters=_WINDOW,
        ours=True,
    ),
    Route(
        method="GET",
        path="/deployments/{owner}/{name}/metrics",
        operation_id="deployments.metrics.get",
        summary="How a deployment fared in the last hours: durations, failures, instances, line, memory",
        handler=deployment_metrics,
        reply=MetricsBody,
        errors=(errors.NotFound, errors.InvalidRequest),
        parameters=(_HOURS,),
        ours=True,
    ),
    Route(
        method="GET",
        path="/admin/metrics",
        operation_id="admin.metrics.get",
        summary="The same of the whole server",
        handler=server_metrics,
        reply=MetricsBody,
        errors=FIELDS,
        parameters=(_HOURS,),
        auth=Auth.ADMIN,
        ours=True,
    ),
)
