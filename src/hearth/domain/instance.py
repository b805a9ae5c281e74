"""An instance: one running copy of a version, its states, and what people are shown of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


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
    """Bytes of resident memory, all its processes."""
    predictions: tuple[str, ...] = ()
    batch_size: float | None = None
    """Predictions in a group, the mean of the latest; None: it has run no groups."""
    boot_seconds: float | None = None
    logs: str = ""
    """The last lines that setup printed."""
