"""Who may call now: a token bucket per account and lane.

A bucket is filled with the whole minute's allowance when its first call comes, and filled again a minute later:
a burst of everything at once is fine, the call after the last one waits for the next filling. So the numbers mean
what they say: 600 a minute lets 600 through and answers the 601st with the seconds until it may come again
(replicate-platform.md 5.2; docs/decisions/0008-rate-limits.md).
"""

from __future__ import annotations

import math
from typing import NamedTuple

WINDOW = 60.0
"""Seconds between two fillings."""
READS = 20
"""How many times the other calls' allowance getting one prediction has: pollers ask for nothing else."""


class Rates(NamedTuple):
    """Calls a minute per lane; None: no limit."""

    creates: int | None = None
    others: int | None = None

    @property
    def reads(self) -> int | None:
        return None if self.others is None else self.others * READS


def rates(server: Rates, creates: int | None, others: int | None) -> Rates:
    """An account's rates: its own numbers where it has some (0: no limit), else the server's."""
    return Rates(
        server.creates if creates is None else creates or None,
        server.others if others is None else others or None,
    )


class Verdict(NamedTuple):
    allowed: bool
    remaining: int
    """Calls that are left until the next filling."""
    reset: int
    """Seconds until the next filling, rounded up."""


class Bucket:
    """What one account has used of one lane since the last filling."""

    __slots__ = ("started_at", "unreported", "used")

    def __init__(self) -> None:
        self.started_at = -math.inf
        self.used = 0
        """By all server processes, as far as this one has heard."""
        self.unreported = 0
        """The part of `used` that the other processes have not heard of."""

    def take(self, allowance: int, now: float, count: int = 1) -> Verdict:
        """Take `count` tokens, if so many are left; else none."""
        left = self.started_at + WINDOW - now
        if not 0.0 < left <= 2 * WINDOW:  # over, or the wall clock was set back far
            self.started_at, self.used, self.unreported, left = now, 0, 0, WINDOW
        allowed = self.used + count <= allowance
        if allowed:
            self.used += count
            self.unreported += count
        return Verdict(allowed, max(allowance - self.used, 0), math.ceil(left))

    def give_back(self) -> None:
        """The token that was taken last counts no more."""
        self.used = max(self.used - 1, 0)
        self.unreported = max(self.unreported - 1, 0)

    def told(self, used: int, started_at: float, reported: int) -> None:
        """What all processes used, `reported` of this one included; what was taken meanwhile counts on top."""
        self.unreported = max(self.unreported - reported, 0)
        self.used = used + self.unreported
        self.started_at = started_at
