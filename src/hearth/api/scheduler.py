"""The scheduler, as admins see and steer it: instances, lanes, decisions. Ours."""

from __future__ import annotations

import msgspec

from hearth import errors
from hearth.api import wire
from hearth.api.bodies import BrokenBody, InstanceBody, Moment, Results
from hearth.api.http import Request
from hearth.api.route import NOT_FOUND, Auth, Parameter, Route
from hearth.domain.decision import Decided
from hearth.domain.overview import LaneView, Overview
from hearth.errors import InvalidRequest, Pointer


class BootBody(msgspec.Struct, frozen=True, kw_only=True):
    model: str | None = None
    """`owner/name`: of its latest version, unless `version` names another."""
    version: str | None = None
    deployment: str | None = None
    """`owner/name`, instead of a model."""


class PauseBody(msgspec.Struct, frozen=True, kw_only=True):
    because: str = ""
    """One sentence for those who wait."""


class LaneBody(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    version: str
    deployment: str | None
    training: bool
    waiting: int
    oldest: float
    running: int
    ready: int
    booting: int
    wanted: int
    minimum: int
    maximum: int
    idle_timeout: float
    failures: int
    because: str


class MemoryBody(msgspec.Struct, frozen=True, kw_only=True):
    budget: int | None
    reserved: int
    used: int
    zygotes: int


class ZygoteBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    environment: str
    pid: int
    memory: int
    forks: int
    idle: float


class SchedulerBody(msgspec.Struct, frozen=True, kw_only=True):
    paused: str | None
    lanes: list[LaneBody]
    memory: MemoryBody
    zygotes: list[ZygoteBody]
    broken: list[BrokenBody]


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    at: Moment
    action: str
    model: str
    version: str
    deployment: str | None
    instance: str | None
    wanted: int | None
    because: str


async def instances(request: Request) -> Results[InstanceBody]:
    return Results([wire.instance(view) for view in request.services.admin.instances(request.account)])


async def instance(request: Request) -> InstanceBody:
    return wire.instance(request.services.admin.instance(request.account, request.params["id"]))


async def boot(request: Request, body: BootBody) -> LaneBody:
    lane = await request.services.admin.boot(
        request.account, model=body.model, version=body.version, deployment=body.deployment
    )
    return _lane(lane)


async def stop(request: Request) -> None:
    request.services.admin.stop(request.account, request.params["id"])


async def scheduler(request: Request) -> SchedulerBody:
    return _scheduler(request.services.admin.overview(request.account))


async def decisions(request: Request) -> Results[DecisionBody]:
    text = request.query.get("last", "100")
    if not text.isdecimal():
        raise InvalidRequest(errors=(Pointer("/last", "last: must be a number"),))
    found = request.services.admin.decisions(request.account, int(text))
    return Results([_decision(decided) for decided in found])


async def pause(request: Request, body: PauseBody) -> SchedulerBody:
    return _scheduler(request.services.admin.pause(request.account, body.because))


async def resume(request: Request) -> SchedulerBody:
    return _scheduler(request.services.admin.resume(request.account))


def _scheduler(overview: Overview) -> SchedulerBody:
    return SchedulerBody(
        paused=overview.paused,
        lanes=[_lane(lane) for lane in overview.lanes],
        memory=MemoryBody(**msgspec.structs.asdict(overview.memory)),
        zygotes=[ZygoteBody(**msgspec.structs.asdict(zygote)) for zygote in overview.zygotes],
        broken=[wire.broken(each) for each in overview.broken],
    )


def _lane(lane: LaneView) -> LaneBody:
    return LaneBody(**{name: getattr(lane, name) for name in LaneBody.__struct_fields__})


def _decision(decided: Decided) -> DecisionBody:
    return DecisionBody(
        id=decided.id,
        at=wire.moment(decided.at),
        action=decided.action.value,
        model=decided.model,
        version=decided.version,
        deployment=decided.deployment,
        instance=decided.instance,
        wanted=decided.wanted,
        because=decided.because,
    )


ROUTES = (
    Route(
        method="GET",
        path="/admin/instances",
        operation_id="admin.instances.list",
        summary="List instances, their state and why",
        handler=instances,
        reply=Results[InstanceBody],
        auth=Auth.ADMIN,
        ours=True,
    ),
    Route(
        method="POST",
        path="/admin/instances",
        operation_id="admin.instances.create",
        summary="Boot one more instance of a version or deployment; the reply's sentence says whether there is room",
        handler=boot,
        body=BootBody,
        reply=LaneBody,
        status=202,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict, errors.Unavailable),
        creates=True,
        ours=True,
    ),
    Route(
        method="GET",
        path="/admin/instances/{id}",
        operation_id="admin.instances.get",
        summary="Get an instance, with the last lines of its log",
        handler=instance,
        reply=InstanceBody,
        auth=Auth.ADMIN,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/admin/instances/{id}",
        operation_id="admin.instances.delete",
        summary="Stop an instance; what runs on it runs again, or fails if it has delivered output",
        handler=stop,
        status=204,
        auth=Auth.ADMIN,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="GET",
        path="/admin/scheduler",
        operation_id="admin.scheduler.get",
        summary="Get every waiting line: how many wait, how many instances it has and should have, and why",
        handler=scheduler,
        reply=SchedulerBody,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.Unavailable),
        ours=True,
    ),
    Route(
        method="POST",
        path="/admin/scheduler/pause",
        operation_id="admin.scheduler.pause",
        summary="Start nothing new: what runs goes on, what comes waits. A restart resumes",
        handler=pause,
        body=PauseBody,
        reply=SchedulerBody,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.Unavailable),
        ours=True,
    ),
    Route(
        method="POST",
        path="/admin/scheduler/resume",
        operation_id="admin.scheduler.resume",
        summary="Go on after a pause",
        handler=resume,
        reply=SchedulerBody,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.Unavailable),
        ours=True,
    ),
    Route(
        method="GET",
        path="/admin/decisions",
        operation_id="admin.decisions.list",
        summary="List what the scheduler decided lately and why, newest first",
        handler=decisions,
        reply=Results[DecisionBody],
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Unavailable),
        parameters=(Parameter("last", "How many: 1 to 1000, 100 by default."),),
        ours=True,
    ),
)
