"""How deployments and the server fared in the last hours: series for plots, made of each minute's samples."""

from __future__ import annotations

import math
from typing import NamedTuple

from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.sample import Sample, percentile, span, together
from hearth.errors import InvalidRequest, NotFound, Pointer
from hearth.service.deployments import Deployments
from hearth.store.base import Store

HOURS = 24
_MINUTE = 60.0
_FINE = 4
"""Hours that are shown minute by minute; more of them in steps of five minutes."""


class Point(NamedTuple):
    """One step. Levels (instances, line, memory) are the highest in it, durations are seconds."""

    at: float
    ended: int
    failed: int
    run_p50: float | None
    run_p95: float | None
    total_p95: float | None
    """From creation to end."""
    starting: int
    idle: int
    processing: int
    waiting: int
    memory: int
    """Bytes, all instances."""
    largest: int
    """Bytes, the largest instance."""


class Series(NamedTuple):
    step: float
    """Seconds."""
    points: list[Point]
    """The earliest first, without gaps."""
    whole: Point
    """All of it as one."""


class Monitoring:
    def __init__(self, *, store: Store, clock: Clock, deployments: Deployments) -> None:
        self._store, self._clock, self._deployments = store, clock, deployments

    async def deployment(self, caller: Account, owner: str, name: str, hours: int = HOURS) -> Series:
        """Raises NotFound, InvalidRequest. A deployment that had this name before is not part of it."""
        found = await self._deployments.get(caller, owner, name)
        return await self._series(found.full_name, hours, found.created_at)

    async def server(self, caller: Account, hours: int = HOURS) -> Series:
        """Everything that runs here. Raises NotFound to callers who are no admins."""
        if not caller.admin:
            raise NotFound
        return await self._series("", hours)

    async def _series(self, subject: str, hours: int, born: float = 0.0) -> Series:
        if not 1 <= hours <= HOURS:
            raise InvalidRequest(errors=(Pointer("/hours", f"hours: must be between 1 and {HOURS}"),))
        step = _MINUTE if hours <= _FINE else 5 * _MINUTE
        end = (math.floor((self._clock.now() - _MINUTE) / step) + 1) * step  # up to the last minute that is over
        begin = end - hours * 3600.0
        samples = await self._store.samples.of(subject, max(begin, math.floor(born / _MINUTE) * _MINUTE))
        return series(samples, begin, end, step)


def series(samples: list[Sample], begin: float, end: float, step: float) -> Series:
    """Of samples of any number of engines, in order of time."""
    minutes: dict[float, list[Sample]] = {}
    for sample in samples:
        minutes.setdefault(sample.at, []).append(sample)
    steps: dict[int, list[Sample]] = {}
    for at, same in minutes.items():
        steps.setdefault(math.floor((at - begin) / step), []).append(together(at, same))
    spans = [span(begin + n * step, steps.get(n, [])) for n in range(round((end - begin) / step))]
    return Series(step, [_point(s) for s in spans], _point(span(begin, spans)))


def _point(sample: Sample) -> Point:
    return Point(
        at=sample.at,
        ended=sample.ended,
        failed=sample.failed,
        run_p50=percentile(sample.runs, 0.5),
        run_p95=percentile(sample.runs, 0.95),
        total_p95=percentile(sample.totals, 0.95),
        starting=sample.starting,
        idle=sample.idle,
        processing=sample.processing,
        waiting=sample.waiting,
        memory=sample.memory,
        largest=sample.largest,
    )
