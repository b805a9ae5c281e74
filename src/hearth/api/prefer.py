"""How long a create may hold the request, and how long its prediction may live.

Sources: client-contract.md section 6.3, replicate-platform.md section 9.1.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hearth.domain.priority import Priority
from hearth.errors import InvalidRequest, Pointer

LONGEST_HOLD = 60.0
PLAIN_HOLD = 55.0
"""For `wait` without a number: proxies and clients often give up at 60 s, and a late answer loses the id."""
READ_TIMEOUT_MARGIN = 3.0
"""Seconds before the client's own read timeout at which we answer: it would repeat the create."""
SHORTEST_LIFE = 5.0
LONGEST_LIFE = 24 * 3600.0
LONGEST_RETENTION = 3650 * 86400.0

_WAIT = re.compile(r"^\s*wait\s*(?:=\s*\"?([^\";\s]*)\"?)?\s*(?:;.*)?$", re.IGNORECASE)
_DURATION = re.compile(r"^(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s?)?$")


class Hold(NamedTuple):
    seconds: float | None
    """None: answer at once."""
    applied: str | None
    """The Preference-Applied header; None if nothing was asked for."""


def hold(prefer: str | None, read_timeout: str | None) -> Hold:
    """What `Prefer` and `X-Stainless-Read-Timeout` ask for. Unknown preferences are ignored."""
    match = next((m for m in map(_WAIT.match, prefer.split(",")) if m), None) if prefer else None
    if match is None:
        return Hold(None, None)
    asked = _number(match[1]) if match[1] else None
    seconds = PLAIN_HOLD if asked is None else min(max(asked, 1.0), LONGEST_HOLD)
    limit = _number(read_timeout) if read_timeout else None
    if limit is not None:
        seconds = min(seconds, limit - READ_TIMEOUT_MARGIN)
    applied = "wait" if asked is None else f"wait={match[1]}"
    return Hold(seconds if seconds > 0 else None, applied)


def lifetime(text: str, pointer: str) -> float:
    """Seconds of `30`, `30s`, `5m`, `2h` or `1h30m45s`. Raises InvalidRequest that names `pointer`."""
    cleaned = text.strip().lower()
    match = _DURATION.match(cleaned)
    if not match or not cleaned:
        raise _wrong(pointer, f"{text[:40]!r} is not a duration: write 30, 30s, 5m or 1h30m45s.")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = float(hours * 3600 + minutes * 60 + seconds)
    if not SHORTEST_LIFE <= total <= LONGEST_LIFE:
        raise _wrong(pointer, f"{text[:40]!r} is out of range: at least 5 seconds, at most 24 hours.")
    return total


def retention(text: str, pointer: str) -> float:
    """Seconds of `0`, `30`, `30s`, `5m`, `2h` or `7d`. Raises InvalidRequest that names `pointer`."""
    cleaned = text.strip().lower()
    days = cleaned[:-1] if cleaned.endswith("d") else ""
    if days.isascii() and days.isdigit() and len(days) <= 6:
        total = int(days) * 86400.0
    else:
        match = _DURATION.match(cleaned)
        if not match or not cleaned:
            raise _wrong(pointer, f"{text[:40]!r} is not a duration: write 30, 30s, 5m, 2h or 7d.")
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        total = float(hours * 3600 + minutes * 60 + seconds)
    if total > LONGEST_RETENTION:
        raise _wrong(pointer, f"{text[:40]!r} is out of range: at most 3650 days.")
    return total


def priority(text: str, pointer: str) -> Priority:
    """Raises InvalidRequest that names `pointer`."""
    try:
        return Priority(text.strip().lower())
    except ValueError:
        raise _wrong(pointer, f"{text[:40]!r} is no priority: write {', '.join(Priority)}.") from None


def _wrong(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=(Pointer(pointer, detail),))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None
