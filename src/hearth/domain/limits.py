"""What a caller may ask for and how often, and what an `Idempotency-Key` remembers."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

KEY_LIFE = 24 * 3600.0
"""Seconds for which an idempotency key stands for its first answer."""
KEY_LENGTH = 255
"""Characters of an idempotency key at most."""


class Lane(StrEnum):
    """Calls that share one allowance. Source: replicate-platform.md 5.2."""

    CREATES = "creates"
    """Creating predictions, at any door."""
    READS = "reads"
    """Getting one prediction: what pollers do."""
    OTHERS = "others"


class Once(msgspec.Struct, frozen=True, kw_only=True):
    """A create that must happen once: whose, under which key, and what was asked for."""

    account_id: str
    key: str
    fingerprint: str
    """Hash of the operation, its path and its body: the same key with another one is a mistake."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a key stands for: a prediction, an answer, or work that goes on until `until` at the latest."""

    fingerprint: str
    prediction_id: str | None = None
    until: float | None = None
    status: int | None = None
    body: bytes | None = None


class Usage(NamedTuple):
    """Calls let through in one lane. Reported: since the last report; told: by all processes, since `started_at`."""

    account_id: str
    lane: Lane
    calls: int
    started_at: float
