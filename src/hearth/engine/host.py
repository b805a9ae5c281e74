"""One instance from the engine's side: its state and reason, and who has its slots."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from hearth.domain.boot import BootPhase, Lap
from hearth.domain.instance import INSTANCE_TRANSITIONS, InstanceState, InstanceView
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.engine.alarms import Alarm
from hearth.errors import IllegalTransition, Shortage
from hearth.runtime.base import Instance

LOG_LINES = 50
BATCHES = 20
OVER = frozenset({InstanceState.STOPPED, InstanceState.SETUP_FAILED, InstanceState.LOST})


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The room that an instance is given."""

    memory: int = 0
    gpus: tuple[int, ...] = ()
    gpu_memory: int | None = 0
    """Bytes on each of its GPUs; None: all of them."""
    variables: dict[str, str] = {}
    """For its processes: which GPUs they see."""


class Host:
    """Times ending in `_at` are for records, those ending in `_since` are monotonic."""

    def __init__(
        self, id: str, version: Version, lane: Lane, because: str, at: float, since: float, grant: Grant
    ) -> None:
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
        self.taken_since = since
        """When a slot was last given away."""
        self.grant = grant
        self.memory: int | None = None
        self.peak: int | None = None
        """The most memory that it took so far."""
        self.run_peak = 0
        """Since it became ready."""
        self.gpu_memory: int | None = None
        self.gpu_peak = 0
        """Both on one GPU, the fullest."""
        self.worked = False
        """Since the last look."""
        self.shortage: Shortage | None = None
        """Memory ran out for it."""
        self.counted = False
        """Its death was."""
        self.pid: int | None = None
        self.task: asyncio.Task[None] | None = None
        """Boots it, later ends it."""
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._phases: list[tuple[BootPhase, float]] = []
        """Each with its beginning."""

    def move(self, state: InstanceState, because: str) -> None:
        """Raises IllegalTransition for a step that instances do not have."""
        if (self.state, state) not in INSTANCE_TRANSITIONS:
            raise IllegalTransition(f"instance {self.id}: cannot become {state} while {self.state}")
        self.state, self.because = state, because

    def hear(self, text: str) -> None:
        """What setup prints."""
        self._lines.extend(text.splitlines())

    def begin(self, phase: BootPhase, since: float) -> None:
        """A phase of its boot begins, and the one before is over."""
        self._phases.append((phase, since))

    def laps(self, now: float) -> tuple[Lap, ...]:
        """What its boot has taken until `now`, or did take; nothing before its first phase."""
        if not self._phases:
            return ()
        now = self.ready_since if self.ready_at is not None else now
        ends = [since for _, since in self._phases[1:]] + [now]
        return tuple(Lap(phase, end - since) for (phase, since), end in zip(self._phases, ends, strict=True))

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

    @property
    def ending(self) -> bool:
        return self.over or self.state is InstanceState.DRAINING

    def view(self, now: float, reserved: int | None = None, expected: float | None = None) -> InstanceView:
        """`now`: monotonic. `reserved`: bytes of memory that are kept for it. `expected`: seconds that its boot takes
        as far as anybody knows."""
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
            peak=self.peak,
            reserved=reserved,
            gpus=self.grant.gpus,
            gpu_memory=self.gpu_memory if self.grant.gpus else None,
            predictions=self.predictions,
            batch_size=sum(self.batches) / len(self.batches) if self.batches else None,
            boot_seconds=None if self.ready_at is None else self.ready_since - self.started_since,
            phases=self.laps(now),
            expected_seconds=expected,
            forked=self.instance is not None and self.instance.forked,
            logs=self.logs,
        )
