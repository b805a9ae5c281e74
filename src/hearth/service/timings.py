"""How long a version takes to run and to boot, and what a run costs, as measured lately on this server."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles

import msgspec

from hearth.domain.hardware import Hardware
from hearth.domain.model import Model, Version
from hearth.domain.prediction import PredictionKind
from hearth.store.base import Store

BOOTS = 5
"""The latest ones count: earlier ones tell of colder disks."""
ENOUGH = 5
"""Runs from which on a 90th percentile says something."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, of the version's latest runs that succeeded and boots. None: not known yet."""

    runs: int
    """How many of them are known."""
    run_p50: float | None
    run_p90: float | None
    boots: int
    boot_p50: float | None
    hardware: str
    """What the model runs on now: its SKU."""
    price: float
    """Of that, per second; 0: it has none."""

    @property
    def cost_p50(self) -> float | None:
        """Of a run, at today's price. None if nothing is known, or nothing has a price."""
        return self.run_p50 * self.price if self.run_p50 is not None and self.price else None


class Timings:
    def __init__(self, *, store: Store, hardware: Sequence[Hardware]) -> None:
        self._store = store
        self._prices = {known.sku: known.price for known in hardware}

    async def of(self, model: Model, version: Version) -> Timing:
        """Of everybody's runs, whoever asks: it says how long, and nothing else of them. Runs of the last minute may be
        missing."""
        runs = await self._store.queue.run_times(version.id, PredictionKind.PREDICTION)
        boots = [boot.seconds for boot in await self._store.boots.of_version(version.id, BOOTS)]
        return Timing(
            runs=len(runs),
            run_p50=median(runs) if runs else None,
            run_p90=quantiles(runs, n=10, method="inclusive")[-1] if len(runs) >= ENOUGH else None,
            boots=len(boots),
            boot_p50=median(boots) if boots else None,
            hardware=model.hardware,
            price=self._prices.get(model.hardware, 0.0),
        )
