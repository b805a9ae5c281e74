"""How a deployment, or the whole server, fared in one minute; and many of these as one.

Durations are counted in classes that grow by a tenth (as DDSketch does), so that percentiles of any stretch of time
can be had from sums, to within five percent, whatever the number of predictions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

_GROWTH = 1.1
_SMALLEST = 0.0001
"""Seconds; shorter ones count as this."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One engine's minute. Instances, line and memory as they were at its end."""

    at: float
    """When it began."""
    starting: int = 0
    idle: int = 0
    processing: int = 0
    waiting: int = 0
    memory: int = 0
    """Bytes, all instances."""
    largest: int = 0
    """Bytes, the largest instance."""
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    runs: dict[int, int] = {}
    """How many runs took how long, by class of duration."""
    totals: dict[int, int] = {}
    """The same from creation to end."""

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.canceled


def duration_class(seconds: float) -> int:
    return round(math.log(max(seconds, _SMALLEST), _GROWTH))


def percentile(durations: Mapping[int, int], share: float) -> float | None:
    """Seconds that `share` (0 to 1) of the durations do not exceed; None if there are none."""
    count = sum(durations.values())
    if not count:
        return None
    rank = max(math.ceil(share * count), 1)
    for key in sorted(durations):
        rank -= durations[key]
        if rank <= 0:
            return float(_GROWTH**key)
    raise AssertionError("the ranks are those of the durations themselves")


def together(at: float, samples: Sequence[Sample]) -> Sample:
    """Several engines' same minute: everything adds up."""
    return _fold(at, samples, sum)


def span(at: float, samples: Sequence[Sample]) -> Sample:
    """A stretch of minutes as one: what ended adds up, of what was there the most counts."""
    return _fold(at, samples, max)


def _fold(at: float, samples: Sequence[Sample], of_levels: Callable[[list[int]], int]) -> Sample:
    if not samples:
        return Sample(at=at)
    runs, totals = Counter[int](), Counter[int]()
    for sample in samples:
        runs.update(sample.runs)
        totals.update(sample.totals)
    return Sample(
        at=at,
        starting=of_levels([s.starting for s in samples]),
        idle=of_levels([s.idle for s in samples]),
        processing=of_levels([s.processing for s in samples]),
        waiting=of_levels([s.waiting for s in samples]),
        memory=of_levels([s.memory for s in samples]),
        largest=max([s.largest for s in samples]),
        succeeded=sum([s.succeeded for s in samples]),
        failed=sum([s.failed for s in samples]),
        canceled=sum([s.canceled for s in samples]),
        runs=dict(runs),
        totals=dict(totals),
    )
