"""The server dies or stops, and starts again: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hearth import ids
from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Prediction
from hearth.errors import Unavailable
from hearth.policy.recovery import STOPPED_AFTER_OUTPUT, STOPPED_TWICE
from hearth.runtime.base import Outcome
from hearth.testing.clock import settle
from hearth.testing.engine import ITERATOR, Bench, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, hold, yields_then_holds


async def crash(bench: Bench) -> None:
    """As `kill -9`: nothing more is written, whatever was in memory is gone."""
    engine = bench.engine
    engine._end()
    engine._dispatcher._closed = engine._planner.closed = True
    for tasks in (engine._tasks, engine._builds._tasks, engine._dispatcher._tasks, engine._supervisor._tasks):
        for task in tasks._tasks:
            task.cancel()
    for ticket in engine._dispatcher.tickets.values():
        ticket.live.finishing = True
    await settle()


async def test_queued_predictions_run_after_a_crash_in_their_order(bench: Any) -> None:
    first = bench()
    await first.engine.start()
    first.runtime.boots.clear()
    version = await first.version()
    submitted = [await first.submit(version) for _ in range(5)]
    await crash(first)
    async with bench(clock=first.clock) as second:
        for id in submitted:
            assert (await second.end(id)).phase is Phase.SUCCEEDED
        ends = [(await second.store.predictions.get(id)).completed_at for id in submitted]
        assert ends == sorted(ends)


async def test_a_long_line_is_taken_over_without_asking_for_each_ones_model(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench()
    await first.engine.start()
    first.runtime.boots.clear()
    version = await first.version()
    submitted = [await first.submit(version) for _ in range(30)]
    await crash(first)
    asked: list[str] = []
    get = first.store.models.get

    async def counted(owner: str, name: str) -> Any:
        asked.append(name)
        return await get(owner, name)

    monkeypatch.setattr(first.store.models, "get", counted)
    async with bench(clock=first.clock) as second:
        assert (await second.end(submitted[-1])).phase is Phase.SUCCEEDED
    assert len(asked) == 1


@pytest.mark.parametrize("delivered", [False, True])
async def test_running_ones_run_again_only_if_they_delivered_nothing(bench: Any, delivered: bool) -> None:
    first = bench(runtime=FakeRuntime(yields_then_holds(*["a"] * delivered)))
    await first.engine.start()
    version = await first.version(document=schema(output=ITERATOR))
    id = await first.submit(version)
    await first.until(id, Kind.OUTPUT if delivered else Kind.STARTED)
    await first.engine._recorder.settled(first.engine._dispatcher.tickets[id].live)
    await crash(first)
    async with bench(clock=first.clock) as second:
        prediction = await second.end(id)
        events = await second.store.predictions.events(id)
    assert [event.seq for event in events] == list(range(prediction.events))
    if delivered:
        assert prediction.phase is Phase.FAILED, (prediction, events)
        assert (prediction.phase, prediction.error, prediction.output) == (Phase.FAILED, STOPPED_AFTER_OUTPUT, ["a"])
    else:
        assert (prediction.phase, prediction.attempt) == (Phase.SUCCEEDED, 2)
        assert [event.kind for event in events].count(Kind.RETURNED) == 1


async def test_a_third_time_is_none_however_soon_the_server_dies(bench: Any) -> None:
    first = bench(runtime=FakeRuntime(hold))
    await first.engine.start()
    id = await first.submit(await first.version())
    await first.until(id, Kind.STARTED)
    await first.engine._recorder.settled(first.engine._dispatcher.tickets[id].live)
    await crash(first)
    second = bench(clock=first.clock, runtime=FakeRuntime(hold))
    await second.engine.start()
    await second.given(id)
    await crash(second)
    async with bench(clock=first.clock) as third:
        prediction = await third.end(id)
    assert (prediction.phase, prediction.attempt, prediction.error) == (Phase.FAILED, 2, STOPPED_TWICE)
    assert not any(id in instance.runs for instance in third.runtime.instances)


async def test_a_cancel_and_a_deadline_during_the_outage_are_kept(bench: Any) -> None:
    first = bench()
    await first.engine.start()
    first.runtime.boots.clear()
    version = await first.version()
    canceled = await first.submit(version)
    late = await first.submit(version, deadline=first.clock.now() + 5)
    await crash(first)
    await first.store.predictions.request_cancel(canceled, first.clock.now())
    await first.advance(6)
    async with bench(clock=first.clock) as second:
        assert (await second.end(canceled)).phase is Phase.CANCELED
        assert (await second.end(late)).phase is Phase.ABORTED
        assert second.runtime.specs == []


async def test_a_prediction_that_nobody_took_is_claimed(started: Any) -> None:
    """Stored while no engine listened: the notice is lost, the prediction is not."""
    bench = await started()
    version = await bench.version()
    account = await bench.account()
    prediction = Prediction(
        id=ids.sortable(),
        account_id=account.id,
        model=version.model,
        version=version.id,
        input={"text": "x"},
        created_at=bench.clock.now(),
        events=1,
    )
    await bench.store.predictions.create(prediction, [Event(0, Kind.QUEUED, prediction.created_at, {})])
    await bench.advance(10)
    assert (await bench.end(prediction.id)).phase is Phase.SUCCEEDED


async def test_a_prediction_of_a_deleted_version_fails(started: Any) -> None:
    bench = await started()
    account = await bench.account()
    prediction = Prediction(
        id=ids.sortable(),
        account_id=account.id,
        model="ada/gone",
        version="f" * 64,
        input={},
        created_at=bench.clock.now(),
        events=1,
    )
    await bench.store.predictions.create(prediction, [Event(0, Kind.QUEUED, prediction.created_at, {})])
    await bench.advance(10)
    ended = await bench.end(prediction.id)
    assert ended.error == "The version of this prediction does not exist any more."


async def test_a_cancel_whose_news_was_lost_is_found(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    await bench.store.predictions.request_cancel(id, bench.clock.now())
    await bench.advance(10)
    assert (await bench.end(id)).phase is Phase.CANCELED


async def test_a_second_drain_ends_the_first(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances_per_version=1)
    version = await bench.version()
    running, waiting = await bench.submit(version), await bench.submit(version)
    await bench.until(running, Kind.STARTED)
    draining = asyncio.ensure_future(bench.engine.drain(30))
    await settle()
    assert not draining.done()
    await bench.engine.drain(0)
    await draining
    for id in (running, waiting):
        assert bench.bus.feed(id).snapshot().phase is Phase.QUEUED


async def test_drain_lets_runs_finish_and_starts_nothing_new(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    version = await bench.version()
    running, waiting = [await bench.submit(version) for _ in range(2)]
    await bench.until(running, Kind.STARTED)
    draining = asyncio.ensure_future(bench.engine.drain(30))
    await settle()
    with pytest.raises(Unavailable):
        bench.engine.ready()
    assert bench.bus.feed(waiting).snapshot().reason == "the server is stopping; it runs after the restart"
    bench.runtime.instances[0].runs[running].go.set()
    await draining
    assert (await bench.end(running)).phase is Phase.SUCCEEDED
    assert (await bench.store.predictions.get(waiting)).phase is Phase.QUEUED


async def test_what_does_not_finish_in_time_is_handed_back(bench: Any) -> None:
    first = bench(runtime=FakeRuntime(hold))
    await first.engine.start()
    version = await first.version()
    id = await first.submit(version)
    await first.until(id, Kind.STARTED)
    await first.engine.drain(0)
    await first.engine.stop()
    assert (await first.store.predictions.get(id)).phase is Phase.QUEUED
    assert first.runtime.alive == []
    async with bench(clock=first.clock) as second:
        assert (await second.end(id)).phase is Phase.SUCCEEDED


async def test_output_that_was_delivered_is_not_handed_back(bench: Any) -> None:
    first = bench(runtime=FakeRuntime(yields_then_holds("a")))
    await first.engine.start()
    id = await first.submit(await first.version(document=schema(output=ITERATOR)))
    await first.until(id, Kind.OUTPUT)
    await first.engine.stop()
    prediction = await first.store.predictions.get(id)
    assert (prediction.phase, prediction.error, prediction.output) == (Phase.FAILED, STOPPED_AFTER_OUTPUT, ["a"])


async def test_stopping_while_an_instance_boots_leaves_nothing(bench: Any) -> None:
    first = bench()
    await first.engine.start()
    first.runtime.boots.clear()
    id = await first.submit(await first.version())
    await first.runtime.until(boots=1)
    await first.engine.stop()
    assert first.runtime.booting == 0
    assert list(first.bus.instances()) == []
    async with bench(clock=first.clock) as second:
        assert (await second.end(id)).phase is Phase.SUCCEEDED


async def test_a_store_that_refuses_writes_is_tried_until_it_takes_them(
    started: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await started()
    version = await bench.version()
    record = bench.store.predictions.record
    refusing = True

    def full(change: Any) -> Any:
        if refusing:
            raise OSError("disk full")
        return record(change)

    monkeypatch.setattr(bench.store.predictions, "record", full)
    id = await bench.submit(version)
    await bench.until(id, Kind.STARTED)
    for _ in range(5):
        await bench.advance(1)
    with pytest.raises(Unavailable, match="disk full"):
        bench.engine.ready()
    assert not bench.bus.feed(id).snapshot().phase.terminal
    refusing = False
    await bench.advance(10)
    assert (await bench.end(id)).phase is Phase.SUCCEEDED
    bench.engine.ready()
    kinds = [kind for kind in await bench.kinds(id) if kind is not Kind.BOOTING]
    assert kinds == [Kind.QUEUED, Kind.ASSIGNED, Kind.STARTED, Kind.SUCCEEDED]
    assert sum("refuses writes" in record.message for record in caplog.records) == 1


async def test_old_data_is_removed(started: Any, tmp_path: Any) -> None:
    async def model(run: FakeRun) -> Outcome:
        return Outcome(status="succeeded", output=run.instance.write(tmp_path / "out.txt", b"x"))

    bench = await started(runtime=FakeRuntime(model), retention=3600)
    prediction = await bench.run(await bench.version())
    (file,) = await bench.store.files.of_predictions([prediction.id])
    await bench.advance(1000)
    await bench.engine._reaper.sweep()
    assert await bench.blobs.exists(file.key)
    bench.clock._elapsed += 3000
    await bench.engine._reaper.sweep()
    assert not await bench.blobs.exists(file.key)
    gone = await bench.store.predictions.get(prediction.id)
    assert (gone.data_removed, gone.output, gone.input) == (True, None, {})
