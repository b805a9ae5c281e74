"""A prediction on its way through the engine: where it waits or runs, and who asked for its end."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING

from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.domain.prediction import Phase
from hearth.domain.schema import InputSchema
from hearth.engine.alarms import Alarm
from hearth.engine.live import Live

if TYPE_CHECKING:
    from hearth.engine.batches import Seat
    from hearth.engine.host import Host


class Cause(StrEnum):
    """Why a prediction is to end before its time. The first cause counts."""

    USER = "user"
    DEADLINE = "deadline"
    TIME_LIMIT = "time limit"
    SHUTDOWN = "shutdown"
    DISABLED = "its deployment is disabled"


class Stage(StrEnum):
    """How far its run is."""

    WAITING = "waiting"
    GIVEN = "given"
    """Has a slot; its task has not begun yet."""
    STAGING = "staging"
    """Its inputs are being fetched."""
    RUNNING = "running"
    """The instance has it."""
    STORING = "storing"
    """The model is done; outputs and outcome are being stored."""
    ENDING = "ending"
    """It never had a slot, or had none any more: its end is being recorded."""


class Plan:
    """What every run of a version in one lane needs to know, worked out once."""

    __slots__ = ("lane", "schema", "version")

    def __init__(self, version: Version, lane: Lane) -> None:
        self.version, self.lane = version, lane
        self.schema = InputSchema.parse(version.openapi_schema, train=lane.train)


class Ticket:
    __slots__ = (
        "account",
        "cause",
        "deadline",
        "grace",
        "host",
        "id",
        "instance",
        "killed",
        "limit",
        "live",
        "plan",
        "returns",
        "sealed",
        "seat",
        "stage",
        "task",
        "withdrawn",
    )

    def __init__(self, live: Live, plan: Plan, sealed: bytes | None) -> None:
        self.live, self.plan, self.sealed = live, plan, sealed
        self.id, self.account = live.prediction.id, live.prediction.account_id
        self.stage = Stage.WAITING
        self.host: Host | None = None
        """The instance whose slot it has."""
        self.seat: Seat | None = None
        """Its place in a group, which holds the slot."""
        self.instance = ""
        """The id of the last one."""
        self.killed = False
        """Its instance was ended because it did not stop by itself."""
        self.task: asyncio.Task[None] | None = None
        self.cause: Cause | None = None
        self.withdrawn = False
        """It is not ours any more: nothing may be recorded."""
        self.returns = 0
        """How often it came back without having started."""
        self.deadline: Alarm | None = None
        self.limit: Alarm | None = None
        self.grace: Alarm | None = None

    @property
    def started(self) -> bool:
        return self.live.prediction.phase is Phase.RUNNING

    @property
    def delivered(self) -> bool:
        return bool(self.live.items)

    def disarm(self) -> None:
        """The run is over: no time limit applies any more."""
        for alarm in (self.limit, self.grace):
            if alarm is not None:
                alarm.cancel()
        self.limit = self.grace = None
