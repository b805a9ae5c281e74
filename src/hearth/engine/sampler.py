"""Once a minute it is written down how each deployment and the whole server fared; plots are made of that.

A minute in which nothing was there and nothing ended leaves nothing. What a minute costs depends on the deployments
that are in use, and what is older than a day goes, so the table stays small.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict

import msgspec

from hearth.clock import Clock
from hearth.domain.prediction import Phase, Prediction
from hearth.domain.sample import Sample, duration_class
from hearth.engine.planner import Planner
from hearth.engine.supervisor import Supervisor
from hearth.store.base import Store

log = logging.getLogger(__name__)

INTERVAL = 60.0
KEPT = 25 * 3600.0
"""Seconds for which samples stay: the day that is shown, and what is left of the hour it began in."""
_EXPIRED = 5000
"""Samples that one minute removes at most."""
_COUNTED = {Phase.SUCCEEDED: "succeeded", Phase.FAILED: "failed", Phase.CANCELED: "canceled", Phase.ABORTED: "canceled"}


class _Tally:
    """What ended since the last minute."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.runs: dict[int, int] = defaultdict(int)
        self.totals: dict[int, int] = defaultdict(int)


class Sampler:
    def __init__(self, *, store: Store, clock: Clock, supervisor: Supervisor, planner: Planner, engine: str) -> None:
        self._store, self._clock, self._engine = store, clock, engine
        self._supervisor, self._planner = supervisor, planner
        self._tallies: dict[str, _Tally] = defaultdict(_Tally)

    def ended(self, prediction: Prediction) -> None:
        """A prediction has its outcome."""
        started, ended = prediction.started_at, prediction.completed_at
        for subject in ("", prediction.deployment):
            if subject is None:
                continue
            tally = self._tallies[subject]
            tally.counts[_COUNTED[prediction.phase]] += 1
            if ended is not None:
                tally.totals[duration_class(ended - prediction.created_at)] += 1
                if started is not None:
                    tally.runs[duration_class(ended - started)] += 1

    async def run(self) -> None:
        """At the end of every minute of the clock, for ever."""
        while True:
            now = self._clock.now()
            at = math.floor(now / INTERVAL) * INTERVAL
            await self._clock.sleep(at + INTERVAL - now)
            samples = self.take(at)
            try:
                if samples:
                    await self._store.samples.add(self._engine, samples)
                await self._store.samples.expire(at - KEPT, _EXPIRED)
            except Exception as error:  # noqa: BLE001 - drivers raise their own; a minute may get lost, not the loop
                log.warning("a minute's samples were not stored: %s", error, extra={"action": "samples_lost"})

    def take(self, at: float) -> dict[str, Sample]:
        """The minute that began at `at`, by subject; the next one begins."""
        tallies, self._tallies = self._tallies, defaultdict(_Tally)
        levels: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for host in self._supervisor.hosts.values():
            state = "starting" if host.booting else "processing" if host.running else "idle" if host.serving else None
            for subject in _subjects(host.lane.deployment):
                if state is not None:
                    levels[subject][state] += 1
                levels[subject]["memory"] += host.memory or 0
                levels[subject]["largest"] = max(levels[subject]["largest"], host.memory or 0)
        for pool in self._planner.pools.values():
            if pool.line:
                for subject in _subjects(pool.lane.deployment):
                    levels[subject]["waiting"] += len(pool.line)
        samples = {}
        for subject in levels.keys() | tallies.keys():
            tally = tallies.get(subject) or _Tally()
            samples[subject] = msgspec.structs.replace(
                Sample(at=at, runs=dict(tally.runs), totals=dict(tally.totals)), **tally.counts, **levels[subject]
            )
        return samples


def _subjects(deployment: str | None) -> tuple[str, ...]:
    return ("",) if deployment is None else ("", deployment)
