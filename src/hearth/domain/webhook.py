"""Webhooks: which events are sent, how they are signed, when they are tried again.

Sources: replicate-platform.md section 12; signatures follow the Standard Webhooks scheme that the
official clients validate: HMAC-SHA256 over `{id}.{timestamp}.{body}` with the decoded secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from enum import StrEnum

import msgspec

EVENTS = ("start", "output", "logs", "completed")
THROTTLE = 0.5
"""Seconds between `output` (and between `logs`) deliveries of one prediction."""

RETRY_DELAYS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 120.0, 600.0, 1800.0, 3600.0)
"""Seconds before each retry of `start` and `completed`. Replicate stops after about a minute; ours goes
on for almost two hours, because a receiver that restarts at night should still get its result."""


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the outbox. `id` is the `webhook-id` header: the same on every try."""

    id: str
    prediction_id: str
    account_id: str
    event: str
    url: str
    body: bytes
    created_at: float
    due_at: float
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a delivery and what came of it."""

    delivery_id: str
    number: int
    at: float
    duration: float
    status: int | None = None
    error: str | None = None


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header. `secret` is `whsec_` + standard base64."""
    key = base64.b64decode(secret.split("_", 1)[1])
    text = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def next_try(event: str, attempts: int) -> float | None:
    """Seconds until the next try after `attempts` failed ones; None to give up.

    `output` and `logs` are snapshots that the next one supersedes: they are sent once.
    """
    if event not in ("start", "completed") or attempts > len(RETRY_DELAYS):
        return None
    return RETRY_DELAYS[attempts - 1]
