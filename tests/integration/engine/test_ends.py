"""Ends that were asked for: cancel, deadline, time limit; in every phase."""

from __future__ import annotations

import asyncio
from typing import Any

from hearth.domain.events import Kind
from hearth.domain.prediction import Phase
from hearth.runtime.base import Outcome
from hearth.testing.clock import settle
from hearth.testing.engine import FILE, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, deaf, hold, yields_then_holds


async def test_cancel_while_it_waits_in_line(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    version = await bench.version()
    running, waiting = [await bench.submit(version) for _ in range(2)]
    await bench.until(running, Kind.STARTED)
    await bench.cancel(waiting)
    prediction = await bench.end(waiting)
    assert (prediction.phase, prediction.started_at) == (Phase.CANCELED, None)
    assert await bench.kinds(waiting) == [Kind.QUEUED, Kind.CANCEL_REQUESTED, Kind.CANCELED]


async def test_cancel_while_its_instance_boots(started: Any) -> None:
    bench = await started()
    bench.runtime.boots.clear()
    id = await bench.submit(await bench.version())
    await bench.runtime.until(boots=1)
    await bench.cancel(id)
    assert (await bench.end(id)).phase is Phase.CANCELED
    bench.runtime.boots.set()
    await bench.runtime.until(ready=1)
    await settle()
    assert bench.runtime.instances[0].runs == {}


async def test_cancel_while_its_inputs_are_fetched(started: Any) -> None:
    bench = await started()
    bench.fetcher.gate.clear()
    id = await bench.submit(await bench.version(document=schema(image=FILE)), {"image": "https://example.com/a.png"})
    await bench.fetcher.started.wait()
    await bench.cancel(id)
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.started_at) == (Phase.CANCELED, None)
    assert not list(bench.options.folder.glob("inputs/*"))
    bench.fetcher.gate.set()
    assert (await bench.run(await bench.version("other"))).phase is Phase.SUCCEEDED


async def test_cancel_while_it_runs(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    await bench.cancel(id)
    prediction = await bench.end(id)
    assert prediction.phase is Phase.CANCELED
    assert prediction.cancel_requested_at is not None
    assert "predict_time" in prediction.metrics
    assert not bench.runtime.instances[0].stopped


async def test_cancel_before_the_model_began_reaches_it_all_the_same(started: Any) -> None:
    runs: asyncio.Queue[FakeRun] = asyncio.Queue()

    async def slow(run: FakeRun) -> Outcome:
        runs.put_nowait(run)
        await run.go.wait()
        return await hold(run)

    bench = await started(runtime=FakeRuntime(slow))
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.ASSIGNED)
    run = await asyncio.wait_for(runs.get(), 10)
    del run.instance.runs[id]  # the instance does not know the job yet
    await bench.cancel(id)
    await settle()
    assert not run.cancel.is_set()
    run.instance.runs[id] = run
    run.go.set()
    assert (await bench.end(id)).phase is Phase.CANCELED


async def test_a_model_that_does_not_stop_loses_its_instance(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(deaf, slots=2), cancel_grace=10)
    version = await bench.version()
    id, other = [await bench.submit(version) for _ in range(2)]
    for each in (id, other):
        await bench.until(each, Kind.STARTED)
    await bench.cancel(id)
    await bench.advance(9)
    instance = bench.runtime.instances[0]
    assert not instance.stopped
    bench.runtime.model = hold
    bench.runtime.given[other].clear()
    await bench.advance(1)
    prediction = await bench.end(id)
    assert instance.stopped
    assert prediction.phase is Phase.CANCELED
    assert prediction.reason == "canceled on request; it did not stop within 10 s, so its instance was ended"
    await bench.given(other)
    bench.runtime.instances[1].runs[other].go.set()
    ended = await bench.end(other)
    assert (ended.phase, ended.attempt) == (Phase.SUCCEEDED, 2)


async def test_cancel_of_something_finished_or_unknown_changes_nothing(started: Any) -> None:
    bench = await started()
    prediction = await bench.run(await bench.version())
    await bench.cancel(prediction.id)
    await bench.cancel("nobody")
    assert await bench.store.predictions.get(prediction.id) == prediction


async def test_deadline_in_line_aborts(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    version = await bench.version()
    running = await bench.submit(version)
    await bench.until(running, Kind.STARTED)
    id = await bench.submit(version, deadline=bench.clock.now() + 5)
    await bench.advance(4.9)
    assert not bench.bus.feed(id).snapshot().phase.terminal
    await bench.advance(0.2)
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.reason) == (Phase.ABORTED, "its deadline passed before it started")


async def test_deadline_while_booting_aborts(started: Any) -> None:
    bench = await started()
    bench.runtime.boots.clear()
    id = await bench.submit(await bench.version(), deadline=bench.clock.now() + 5)
    await bench.advance(6)
    assert (await bench.end(id)).phase is Phase.ABORTED


async def test_deadline_while_fetching_aborts(started: Any) -> None:
    bench = await started()
    bench.fetcher.gate.clear()
    version = await bench.version(document=schema(image=FILE))
    id = await bench.submit(version, {"image": "https://example.com/a.png"}, deadline=bench.clock.now() + 5)
    await bench.fetcher.started.wait()
    await bench.advance(6)
    assert (await bench.end(id)).phase is Phase.ABORTED


async def test_deadline_while_running_cancels_and_keeps_what_was_shown(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(yields_then_holds("a")))
    id = await bench.submit(await bench.version(), deadline=bench.clock.now() + 5)
    await bench.until(id, Kind.OUTPUT)
    await bench.advance(6)
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.output) == (Phase.CANCELED, ["a"])
    assert prediction.reason == "its deadline passed while it ran"


async def test_a_deadline_that_is_not_reached_changes_nothing(started: Any) -> None:
    bench = await started()
    prediction = await bench.run(await bench.version(), deadline=bench.clock.now() + 5)
    await bench.advance(10)
    assert (await bench.store.predictions.get(prediction.id)).phase is Phase.SUCCEEDED


async def test_the_time_limit_fails_a_run_politely(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), run_timeout=60)
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    await bench.advance(61)
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.error) == (
        Phase.FAILED,
        "The prediction ran longer than 60 s, the limit of this server.",
    )
    assert not bench.runtime.instances[0].stopped


async def test_the_time_limit_ends_the_instance_of_a_deaf_model(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(deaf), run_timeout=60, cancel_grace=10)
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    await bench.advance(71)
    prediction = await bench.end(id)
    assert prediction.phase is Phase.FAILED
    assert "so its instance was ended" in prediction.error
    assert bench.runtime.instances[0].stopped


async def test_a_run_that_succeeds_in_spite_of_a_cancel_has_succeeded(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(deaf))
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    await bench.cancel(id)
    await settle()
    bench.runtime.instances[0].runs[id].go.set()
    assert (await bench.end(id)).phase is Phase.SUCCEEDED
