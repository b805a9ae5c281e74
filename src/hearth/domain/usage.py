"""What was used: predictions and trainings that ended, added up by day, and what that cost."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from hearth.domain.prediction import PredictionKind

_EPOCH = date(1970, 1, 1)


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What an account used of one model on one hardware in one day."""

    day: int
    """Days since 1970, UTC."""
    kind: PredictionKind
    model: str
    deployment: str | None = None
    hardware: str
    count: int
    failed: int
    seconds: float
    """From start to end, added up. What never started has none."""


def day_of(when: date) -> int:
    return (when - _EPOCH).days


def date_of(day: int) -> date:
    return _EPOCH + timedelta(days=day)
