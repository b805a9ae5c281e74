"""A prediction (or training): its record, its phases and the one table of how they follow each other.

`transition` is the only way to change a phase. What the wire shows of a phase is decided in `api/wire.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hearth.domain.priority import Priority
from hearth.errors import IllegalTransition


class Phase(StrEnum):
    QUEUED = "queued"
    """Stored, waiting for an instance."""
    ASSIGNED = "assigned"
    """An instance took it; its inputs are being fetched."""
    BOOTING = "booting"
    """Its instance is starting."""
    RUNNING = "running"
    """The model's run() executes."""
    SUCCEEDED = "succeeded"
    """All outputs are stored."""
    FAILED = "failed"
    """The model raised, its setup failed, or the machine failed twice."""
    CANCELED = "canceled"
    """Stopped by its owner, or by its deadline while it ran."""
    ABORTED = "aborted"
    """Its deadline passed before it started."""

    @property
    def terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELED, Phase.ABORTED})


class Step(StrEnum):
    ASSIGN = "assign"
    BOOT = "boot"
    START = "start"
    RETURN = "return"
    """Back to the queue: nothing was delivered and the machine was at fault."""
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    ABORT = "abort"


TRANSITIONS: dict[tuple[Phase, Step], Phase] = {
    (Phase.QUEUED, Step.BOOT): Phase.BOOTING,
    (Phase.QUEUED, Step.ASSIGN): Phase.ASSIGNED,
    (Phase.QUEUED, Step.FAIL): Phase.FAILED,
    (Phase.QUEUED, Step.CANCEL): Phase.CANCELED,
    (Phase.QUEUED, Step.ABORT): Phase.ABORTED,
    (Phase.BOOTING, Step.ASSIGN): Phase.ASSIGNED,
    (Phase.BOOTING, Step.RETURN): Phase.QUEUED,
    (Phase.BOOTING, Step.FAIL): Phase.FAILED,
    (Phase.BOOTING, Step.CANCEL): Phase.CANCELED,
    (Phase.BOOTING, Step.ABORT): Phase.ABORTED,
    (Phase.ASSIGNED, Step.START): Phase.RUNNING,
    (Phase.ASSIGNED, Step.RETURN): Phase.QUEUED,
    (Phase.ASSIGNED, Step.FAIL): Phase.FAILED,
    (Phase.ASSIGNED, Step.CANCEL): Phase.CANCELED,
    (Phase.ASSIGNED, Step.ABORT): Phase.ABORTED,
    (Phase.RUNNING, Step.RETURN): Phase.QUEUED,
    (Phase.RUNNING, Step.SUCCEED): Phase.SUCCEEDED,
    (Phase.RUNNING, Step.FAIL): Phase.FAILED,
    (Phase.RUNNING, Step.CANCEL): Phase.CANCELED,
}
"""Terminal phases have no row: they can't be left. The store's CHECKs say the same."""


EXAMPLE = "example"
"""The `source` of what a push runs to show its model: it becomes an example when it succeeds."""


class PredictionKind(StrEnum):
    PREDICTION = "prediction"
    TRAINING = "training"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a prediction waits, as of the moment somebody looked."""

    ahead: int | None
    """How many are served before it if nobody else comes; None for very many."""
    starts_at: float | None
    """When it will start, as far as one can tell; None if nothing is known."""
    because: str
    """One sentence: its place, what it waits for, and for how long."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a version. Times are seconds since 1970, UTC."""

    id: str
    account_id: str
    model: str
    """`owner/name`."""
    version: str
    """64 hex digits."""
    input: dict[str, Any]
    """What the caller sent, secrets masked, large data URIs replaced by file references."""
    created_at: float
    phase: Phase = Phase.QUEUED
    reason: str = ""
    """One sentence: why it is in this phase."""
    kind: PredictionKind = PredictionKind.PREDICTION
    deployment: str | None = None
    destination: str | None = None
    """Trainings: `owner/name` of the model that receives the trained version."""
    output: Any = None
    logs: str = ""
    error: str | None = None
    metrics: dict[str, Any] = {}
    source: str = "api"
    origin: str = ""
    """Scheme and host the caller used, `https://localhost:8700`: URLs in webhooks are built on it."""
    webhook: str | None = None
    webhook_events: tuple[str, ...] = ("output", "completed")
    started_at: float | None = None
    completed_at: float | None = None
    deadline: float | None = None
    cancel_requested_at: float | None = None
    attempt: int = 0
    """How often an instance started it."""
    events: int = 0
    """How many events exist: the next one's seq."""
    data_removed: bool = False
    retention: float | None = None
    """Seconds from its end until its data is removed; None: as the server has it."""
    priority: Priority = Priority.NORMAL
    place: Place | None = None
    """While it waits, where somebody looks; not stored."""


def transition(prediction: Prediction, step: Step, at: float, reason: str = "") -> Prediction:
    """The prediction after `step`. Raises IllegalTransition for a step its phase does not have."""
    try:
        phase = TRANSITIONS[prediction.phase, step]
    except KeyError:
        raise IllegalTransition(f"prediction {prediction.id}: cannot {step} while {prediction.phase}") from None
    changes: dict[str, Any] = {"phase": phase, "reason": reason}
    if phase is Phase.RUNNING:
        changes["started_at"] = at
        changes["attempt"] = prediction.attempt + 1
    elif phase is Phase.QUEUED:
        changes["started_at"] = None
    elif phase in _TERMINAL:
        changes["completed_at"] = at
    return msgspec.structs.replace(prediction, **changes)
