"""The numbered, append-only history of a prediction.

The row, the stream, the webhooks, the logs, the metrics and the timeline are all readings of this list.
`seq` starts at 0 and has no gaps; it is the SSE id. Events are stored in segments (`store/base.py`), so
an event is encoded as a JSON array: `[seq, kind, at, data]`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Kind(StrEnum):
    QUEUED = "queued"
    """Accepted and stored. data: {}."""
    ASSIGNED = "assigned"
    """Given to an instance. data: {"instance": id, "because": sentence}."""
    BOOTING = "booting"
    """Waits for an instance that is starting. data: {"instance": id, "because": sentence}; how far it is then follows,
    with "phase" (`boot.BootPhase`), and, when it is ready, "seconds" and "phases", the seconds of each."""
    STARTED = "started"
    """The model's run() began. data: {"instance": id, "attempt": n}."""
    OUTPUT = "output"
    """One item of an iterator's output. data: the item, any JSON; file outputs as references (`file.py`)."""
    LOG = "log"
    """Text the model printed, verbatim, with its line ends. data: string."""
    METRIC = "metric"
    """A custom metric. data: {"name": str, "value": any, "mode": "replace"|"incr"|"append"}."""
    RETURNED = "returned"
    """Put back in the queue: the machine failed, not the model. data: {"because": sentence}."""
    CANCEL_REQUESTED = "cancel_requested"
    """Somebody asked for the end. data: {"because": "user"|"deadline"|"time limit"|…, "by": username, if any}."""
    STOPPING = "stopping"
    """A step on the way to the end that was asked for. data: {"step": "asked"|"grace over"|"killed", "instance": id,
    "because": sentence}."""
    SUCCEEDED = "succeeded"
    """Terminal. data: {}."""
    FAILED = "failed"
    """Terminal. data: {"error": string}."""
    CANCELED = "canceled"
    """Terminal. data: {"because": sentence}."""
    ABORTED = "aborted"
    """Terminal: the deadline passed before the start. data: {"because": sentence}."""


TERMINAL = frozenset({Kind.SUCCEEDED, Kind.FAILED, Kind.CANCELED, Kind.ABORTED})


class Event(msgspec.Struct, frozen=True, array_like=True):
    seq: int
    kind: Kind
    at: float
    data: Any = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Event])


def encode(events: list[Event]) -> bytes:
    """A segment as stored."""
    return _encoder.encode(events)


def decode(segment: bytes | str) -> list[Event]:
    return _decoder.decode(segment)
