"""One instance from the engine's side: its state and reason, and who has its slots."""

from __future__ import annotations

import asyncio
from collections import deque

from hearth.domain.instance import INSTANCE_TRANSITIONS, InstanceState, InstanceView
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.engine.alarms import Alarm
from hearth.errors import IllegalTransition
from hearth.policy.placement import Resident
from hearth.runtime.base import Instance

LOG_LINES = 50
BATCHES = 20
OVER = frozenset({InstanceState.STOPPED, InstanceState.SETUP_FAILED, InstanceState.LOST})


class Host:
    """Times ending in `_at` are for records, those ending in `_since` are monotonic."""

    def __init__(self, id: str, version: Version, lane: Lane, because: str, at: float, since: float) -> None:
        self.id, self.version, self.lane = id, version, lane
        self.state = InstanceState.STARTING
        self.because = because
        self.instance: Instance | None = None
        self.slots = 1
        """Until the instance says how many it has."""
        self.running: set[str] = set()
        """Who holds its slots: predictions, and groups."""
        self.groups: dict[str, tuple[str, ...]] = {}
        """The predictions of each group."""
        self.batches: deque[int] = deque(maxlen=BATCHES)
        """The sizes of the latest groups."""
        self.started_at, self.started_since = at, since
        self.ready_at: float | None = None
        self.ready_since = since
        self.idle_at: float | None = None
        self.idle_since: float | None = None
        self.idle_alarm: Alarm | None = None
        self.memory: int | None = None
        self.pid: int | None = None
        self.task: asyncio.Task[None] | None = None
        """Boots it, later ends it."""
        self._lines: deque[str] = deque(maxlen=LOG_LINES)

    def move(self, state: InstanceState, because: str) -> None:
        """Raises IllegalTransition for a step that instances do not have."""
        if (self.state, state) not in INSTANCE_TRANSITIONS:
            raise IllegalTransition(f"instance {self.id}: cannot become {state} while {self.state}")
        self.state, self.because = state, because

    def hear(self, text: str) -> None:
        """What setup prints."""
        self._lines.extend(text.splitlines())

    @property
    def logs(self) -> str:
        return "\n".join(self._lines)

    @property
    def predictions(self) -> tuple[str, ...]:
        """Those that run on it."""
        if not self.groups:
            return tuple(self.running)
        return tuple(id for holder in self.running for id in self.groups.get(holder, (holder,)))

    @property
    def free(self) -> bool:
        return self.state is InstanceState.READY

    @property
    def serving(self) -> bool:
        return self.state is InstanceState.READY or self.state is InstanceState.BUSY

    @property
    def booting(self) -> bool:
        return self.state is InstanceState.STARTING or self.state is InstanceState.SETUP

    @property
    def over(self) -> bool:
        return self.state in OVER

    def resident(self, now: float, kept: bool) -> Resident:
        return Resident(
            id=self.id,
            lane=self.lane.key,
            model=self.version.model,
            busy=len(self.running),
            serving=self.serving,
            ending=self.over or self.state is InstanceState.DRAINING,
            idle=0.0 if self.idle_since is None else now - self.idle_since,
            kept=kept,
            train=self.lane.train,
        )

    def view(self) -> InstanceView:
        return InstanceView(
            id=self.id,
            model=self.version.model,
            version=self.version.id,
            deployment=self.lane.deployment,
            training=self.lane.train,
            state=self.state,
            because=self.because,
            slots=self.slots,
            busy=len(self.running),
            started_at=self.started_at,
            ready_at=self.ready_at,
            idle_since=self.idle_at,
            pid=self.pid,
            memory=self.memory,
            predictions=self.predictions,
            batch_size=sum(self.batches) / len(self.batches) if self.batches else None,
            boot_seconds=None if self.ready_at is None else self.ready_since - self.started_since,
            logs=self.logs,
        )
