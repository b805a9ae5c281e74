"""What each minute leaves for the plots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hearth import ids
from hearth.bus.base import NewPrediction
from hearth.domain.events import Event, Kind
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.domain.prediction import Prediction
from hearth.domain.sample import Sample, duration_class, percentile
from hearth.engine.sampler import KEPT
from hearth.store.base import Lease
from hearth.testing.clock import settle
from hearth.testing.engine import Bench

Start = Callable[..., Any]


async def minute(bench: Bench) -> None:
    """Let the clock's minute end, and what it leaves be stored."""
    await later(bench, 60)


async def later(bench: Bench, seconds: float) -> None:
    await bench.advance(seconds)
    for _ in range(3):  # the writer works in order: behind these, samples are in and old ones out
        await bench.store.ping()
        await settle()


async def submit(bench: Bench, version: Version, deployment: str) -> str:
    account = await bench.account()
    prediction = Prediction(
        id=ids.sortable(), account_id=account.id, model=version.model, version=version.id, deployment=deployment,
        input={"text": "hello"}, created_at=bench.clock.now(), events=1,
    )  # fmt: skip
    queued = [Event(0, Kind.QUEUED, prediction.created_at, {})]
    lease = Lease(bench.bus.owner or "", prediction.created_at + 30)
    await bench.store.predictions.create(prediction, queued, lease=lease)
    lane = Lane(key=f"{deployment}/1", deployment=deployment, deployment_id="d1", maximum=1)
    bench.bus.submit(NewPrediction(prediction=prediction, version=version, lane=lane))
    return prediction.id


async def test_a_minute_tells_what_ended_and_what_is_there(started: Start) -> None:
    bench = await started(idle_timeout=1e9)
    version = await bench.version()
    for _ in range(3):
        await bench.run(version)
    await bench.end(await submit(bench, version, "ada/app"))
    await minute(bench)
    (server,), (app,) = await bench.store.samples.of("", 0), await bench.store.samples.of("ada/app", 0)
    assert (server.succeeded, server.idle, server.processing, server.waiting) == (4, 2, 0, 0)
    assert (app.succeeded, app.failed, app.idle) == (1, 0, 1)
    assert sum(server.runs.values()) == 4
    assert app.runs == {duration_class(0): 1}
    assert percentile(app.totals, 0.5) is not None
    await minute(bench)
    second = (await bench.store.samples.of("", 0))[-1]
    assert second == Sample(at=server.at + 60, idle=2, memory=second.memory, largest=second.largest)


async def test_a_minute_without_anything_leaves_nothing(started: Start) -> None:
    bench = await started()
    await minute(bench)
    assert await bench.store.samples.of("", 0) == []


async def test_samples_of_yesterday_go(started: Start) -> None:
    bench = await started(idle_timeout=1.0)
    await bench.run(await bench.version())
    await minute(bench)
    assert len(await bench.store.samples.of("", 0)) == 1
    await later(bench, KEPT + 60)
    await minute(bench)
    assert await bench.store.samples.of("", 0) == []


async def test_a_store_in_trouble_costs_a_minute_and_not_the_loop(started: Start, monkeypatch) -> None:
    bench = await started(idle_timeout=1e9)
    await bench.run(await bench.version())

    async def refuse(engine: str, samples: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store.samples, "add", refuse)
        await minute(bench)
    await minute(bench)
    samples = await bench.store.samples.of("", 0)
    assert [msgspec.structs.replace(s, memory=0, largest=0).idle for s in samples] == [1]
