"""What the scheduler decided, when, and why: one line for each, for people."""

from __future__ import annotations

from enum import StrEnum

import msgspec

KEPT = 1000
"""Decisions that are remembered; older ones are forgotten."""


class Action(StrEnum):
    BOOT = "boot"
    """An instance is started."""
    HOLD = "hold"
    """An instance is wanted, and there is no room for it."""
    BACKOFF = "backoff"
    """An instance is wanted, but setup failed lately: the next try comes later."""
    EVICT = "evict"
    """An idle instance is stopped: another model needs its room."""
    TAKEOVER = "takeover"
    """An instance is stopped between two runs: another model has waited for its room for too long."""
    IDLE = "idle"
    """An instance is stopped that had no work for long enough."""
    STOP = "stop"
    """An instance is stopped for any other reason."""
    FAILED = "failed"
    """An instance never became ready."""
    LOST = "lost"
    """An instance died by itself."""


ENDS = (Action.EVICT, Action.TAKEOVER, Action.IDLE, Action.STOP, Action.FAILED, Action.LOST)
"""What ends an instance."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """Sorts by time."""
    at: float
    action: Action
    lane: str
    """The key of the lane that it is about."""
    model: str
    version: str
    because: str
    """One sentence."""
    deployment: str | None = None
    """`owner/name`."""
    instance: str | None = None
    wanted: int | None = None
    """How many instances the lane should have, booting ones included."""
