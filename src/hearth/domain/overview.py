"""The scheduler as it is now: what waits where, how many instances there should be, and why."""

from __future__ import annotations

import msgspec

from hearth.domain.breakdown import Breakdown


class LaneView(msgspec.Struct, frozen=True, kw_only=True):
    """One waiting line, and the instances that serve it."""

    key: str
    model: str
    version: str
    deployment: str | None = None
    """`owner/name`."""
    training: bool = False
    waiting: int
    oldest: float
    """Seconds that the oldest has waited."""
    running: int
    ready: int
    """Instances that serve, busy or not."""
    booting: int
    wanted: int
    """Instances that there should be, booting ones included."""
    minimum: int
    """Instances that are kept though nobody waits."""
    maximum: int
    idle_timeout: float
    """Seconds that an idle instance stays."""
    failures: int
    """Setups that failed in a row."""
    because: str
    """One sentence: why it has the instances that it has."""


class MemoryView(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of the machine's memory."""

    budget: int | None
    """What instances may take together; None: as much as they like."""
    reserved: int
    """What is kept for those that there are."""
    used: int
    """What they take now."""
    zygotes: int
    """What zygotes take."""


class ZygoteView(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter with an environment's libraries imported, which makes boots short."""

    id: str
    environment: str
    pid: int
    memory: int
    forks: int
    """Instances that it has started."""
    idle: float
    """Seconds since the last of them."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    at: float
    paused: str | None
    """Why nothing new is started; None: it is."""
    lanes: tuple[LaneView, ...]
    """Those with somebody waiting or with instances."""
    memory: MemoryView
    zygotes: tuple[ZygoteView, ...] = ()
    broken: tuple[Breakdown, ...] = ()
    """Those that are given up."""
