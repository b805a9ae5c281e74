"""An instance: one running copy of a version, its states, and what people are shown of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hearth.domain.boot import Lap


class InstanceState(StrEnum):
    STARTING = "starting"
    """Processes are being started."""
    SETUP = "setup"
    """The model's setup() runs."""
    READY = "ready"
    """At least one slot is free."""
    BUSY = "busy"
    """Every slot is taken."""
    DRAINING = "draining"
    """Takes nothing new; ends when its predictions have ended."""
    STOPPED = "stopped"
    SETUP_FAILED = "setup_failed"
    LOST = "lost"
    """Died by itself."""


INSTANCE_TRANSITIONS: frozenset[tuple[InstanceState, InstanceState]] = frozenset(
    {
        (InstanceState.STARTING, InstanceState.SETUP),
        (InstanceState.STARTING, InstanceState.SETUP_FAILED),
        (InstanceState.STARTING, InstanceState.STOPPED),
        (InstanceState.STARTING, InstanceState.LOST),
        (InstanceState.SETUP, InstanceState.READY),
        (InstanceState.SETUP, InstanceState.SETUP_FAILED),
        (InstanceState.SETUP, InstanceState.STOPPED),
        (InstanceState.SETUP, InstanceState.LOST),
        (InstanceState.READY, InstanceState.BUSY),
        (InstanceState.READY, InstanceState.DRAINING),
        (InstanceState.READY, InstanceState.LOST),
        (InstanceState.BUSY, InstanceState.READY),
        (InstanceState.BUSY, InstanceState.DRAINING),
        (InstanceState.BUSY, InstanceState.LOST),
        (InstanceState.DRAINING, InstanceState.STOPPED),
        (InstanceState.DRAINING, InstanceState.LOST),
    }
)


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    """What `hearth ps` shows."""

    id: str
    model: str
    version: str
    deployment: str | None = None
    """`owner/name` of the deployment whose predictions it runs, and only those."""
    training: bool = False
    """It runs a training, and ends with it."""
    state: InstanceState
    because: str
    """One sentence: why it is in this state, or why it exists."""
    slots: int
    busy: int
    started_at: float
    ready_at: float | None = None
    idle_since: float | None = None
    pid: int | None = None
    memory: int | None = None
    """Bytes, all its processes; what they share with others counts in part."""
    peak: int | None = None
    """The most that it took so far."""
    reserved: int | None = None
    """What is kept for it: the most that instances of its version were seen to take."""
    gpus: tuple[int, ...] = ()
    """The GPUs that it sees, by their number."""
    gpu_memory: int | None = None
    """Bytes on the fullest of them."""
    predictions: tuple[str, ...] = ()
    batch_size: float | None = None
    """Predictions in a group, the mean of the latest; None: it has run no groups."""
    boot_seconds: float | None = None
    phases: tuple[Lap, ...] = ()
    """Of its boot: what it has done, and how long each step took, or has taken so far."""
    expected_seconds: float | None = None
    """How long such a boot takes, from its beginning, as boots before it did; None: nobody knows."""
    forked: bool = False
    """Its model's process was forked from one that had imported its libraries."""
    logs: str = ""
    """The last lines that setup printed."""
