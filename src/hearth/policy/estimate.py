"""When a prediction that waits will start, from how long runs took. What nobody can know is None."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import floor
from statistics import median

import msgspec

RECENT = 20
"""Runs of a version that count. The median of so many does not follow one odd run, and follows a change soon."""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The slots that a line may hope for."""

    slots: tuple[float | None, ...]
    """For each, the seconds until it is free: 0 now; None if nobody knows. Those of instances that boot count too."""
    run: float | None
    """Seconds that one run takes."""


def expected(times: Sequence[float]) -> float | None:
    """Seconds of the next run, from those of the latest; None if there were none."""
    return median(times) if times else None


def remaining(times: Sequence[float], elapsed: float) -> float | None:
    """Seconds that a run still takes which began `elapsed` seconds ago: the median of those that took longer. None if
    it takes longer than each of them, or if nothing is known."""
    longer = [seconds for seconds in times if seconds > elapsed]
    return median(longer) - elapsed if longer else None


def wait(outlook: Outlook, ahead: int | None) -> float | None:
    """Seconds until the one with `ahead` before it starts, if every run takes `outlook.run`. Slots of which nothing
    is known are not counted on, so it may be sooner."""
    known = sorted(seconds for seconds in outlook.slots if seconds is not None)
    if ahead is None or not known:
        return None
    if ahead < len(known) and (outlook.run is None or known[ahead] <= known[0] + outlook.run):
        return known[ahead]
    if outlook.run is None:
        return None
    return _nth(known, max(outlook.run, 1e-3), ahead)


def _nth(free: list[float], run: float, n: int) -> float:
    """The n-th start, from 0, where slot i starts one at `free[i]` and then every `run` seconds."""
    last = free[-1]
    rounds = [floor((last - at) / run) + 1 for at in free]
    before = sum(rounds)
    if n >= before:  # from then on each slot starts one in each `run` seconds
        then = sorted(at + count * run for at, count in zip(free, rounds, strict=True))
        whole, rest = divmod(n - before, len(free))
        return then[rest] + whole * run
    slots = list(free)
    for _ in range(n):
        heapq.heapreplace(slots, slots[0] + run)
    return slots[0]


def about(seconds: float) -> str:
    """`about 40 s`, no more exact than an estimate is."""
    if seconds < 1.5:
        return "a second"
    if seconds < 10:
        return f"about {seconds:.0f} s"
    if seconds < 57.5:
        return f"about {5 * round(seconds / 5)} s"
    if seconds < 90:
        return "about a minute"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.0f} hours"
