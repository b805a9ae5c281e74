"""How long a version takes, and what a run costs."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.domain.account import Account
from hearth.domain.boot import Boot, BootPhase, Lap
from hearth.domain.hardware import Hardware
from hearth.domain.prediction import PredictionKind
from hearth.service.timings import Timings


@pytest.fixture
def timings(hearth: Any) -> Timings:
    return Timings(store=hearth.store, hardware=(Hardware(sku="cpu", name="CPU", price=0.5),))


async def test_nothing_is_claimed_before_anything_ran(hearth: Any, timings: Timings, ann: Account) -> None:
    model, version = await hearth.version(ann, "m")
    found = await timings.of(model, version)
    assert (found.runs, found.run_p50, found.run_p90, found.boots, found.boot_p50) == (0, None, None, 0, None)
    assert found.cost_p50 is None


async def test_medians_of_runs_and_boots_and_the_cost_of_one(hearth: Any, timings: Timings, ann: Account) -> None:
    model, version = await hearth.version(ann, "m")
    runs = [float(n) for n in range(1, 12)]
    await hearth.store.queue.remember(version.id, PredictionKind.PREDICTION, runs)
    await hearth.store.queue.remember(version.id, PredictionKind.TRAINING, [5000.0])
    for at, seconds in enumerate((2.0, 90.0, 4.0)):
        laps = (Lap(BootPhase.PROCESS, seconds / 2), Lap(BootPhase.SETUP, seconds / 2))
        await hearth.store.boots.add(Boot(version_id=version.id, environment="e", at=float(at), laps=laps), 5)
    found = await timings.of(model, version)
    assert (found.runs, found.run_p50, found.run_p90) == (11, 6.0, 10.0)
    assert (found.boots, found.boot_p50) == (3, 4.0)
    assert (found.hardware, found.price, found.cost_p50) == ("cpu", 0.5, 3.0)


async def test_few_runs_say_nothing_of_the_slow_ones(hearth: Any, timings: Timings, ann: Account) -> None:
    model, version = await hearth.version(ann, "m")
    await hearth.store.queue.remember(version.id, PredictionKind.PREDICTION, [1.0, 3.0])
    found = await timings.of(model, version)
    assert (found.run_p50, found.run_p90) == (2.0, None)


async def test_without_a_price_there_is_no_cost(hearth: Any, ann: Account) -> None:
    model, version = await hearth.version(ann, "m")
    await hearth.store.queue.remember(version.id, PredictionKind.PREDICTION, [1.0])
    found = await Timings(store=hearth.store, hardware=()).of(model, version)
    assert (found.price, found.cost_p50) == (0.0, None)
