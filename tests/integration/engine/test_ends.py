"""Ends that were asked for: cancel, deadline, time limit; in every phase."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hearth.bus.base import CancelRequested
from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase
from hearth.engine.outputs import Outputs
from hearth.runtime.base import Began, Outcome
from hearth.testing.clock import settle
from hearth.testing.engine import FILE, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, deaf, hold, yields_then_holds
from tests.integration.engine.test_restart import crash


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
    run = await asyncio.wait_for(runs.get(), 60)
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


def steps(events: list[Event]) -> list[tuple[str, str]]:
    """What was asked for, and what was done about it."""
    told = []
    for event in events:
        if event.kind is Kind.STOPPING:
            told.append((event.data["step"], event.data["because"]))
        elif event.kind is Kind.CANCEL_REQUESTED:
            told.append((event.data["because"], event.data.get("by", "")))
        elif event.kind in (Kind.CANCELED, Kind.ABORTED):
            told.append((event.kind.value, event.data["because"]))
    return told


async def test_each_step_of_a_cancel_is_recorded(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(deaf), cancel_grace=10)
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    await bench.store.predictions.request_cancel(id, bench.clock.now())
    bench.bus.submit(CancelRequested(prediction_id=id, by="ada"))
    await bench.advance(11)
    await bench.end(id)
    events = await bench.store.predictions.events(id)
    assert steps(events) == [
        ("user", "ada"),
        ("asked", "the model is asked to stop"),
        ("grace over", "it did not stop within 10 s; its instance is ended"),
        ("killed", "its instance was ended"),
        ("canceled", "canceled on request; it did not stop within 10 s, so its instance was ended"),
    ]
    instances = {event.data["instance"] for event in events if event.kind is Kind.STOPPING}
    assert instances == {bench.runtime.instances[0].id}


async def test_cancel_twice_is_cancel_once(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    for _ in range(2):
        bench.bus.submit(CancelRequested(prediction_id=id))
    assert (await bench.end(id)).phase is Phase.CANCELED
    assert (await bench.kinds(id)).count(Kind.CANCEL_REQUESTED) == 1


@pytest.mark.parametrize("cause", ["user", "deadline"])
async def test_an_end_while_its_outputs_are_stored(started: Any, monkeypatch: pytest.MonkeyPatch, cause: str) -> None:
    async def draws(run: FakeRun) -> Outcome:
        run.emit(Began())
        return Outcome(status="succeeded", output=run.instance.write(tmp / "out.bin", b"x"))

    bench = await started(runtime=FakeRuntime(draws))
    tmp = bench.options.folder / "made"
    storing = asyncio.Event()

    async def never(*args: Any) -> str:
        storing.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Outputs, "add_path", never)
    deadline = bench.clock.now() + 60 if cause == "deadline" else None
    version = await bench.version(document=schema(output=FILE))
    id = await bench.submit(version, deadline=deadline)
    async with asyncio.timeout(60):
        await storing.wait()
    if cause == "user":
        await bench.cancel(id)
    else:
        await bench.advance(61)
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.output) == (Phase.CANCELED, None)
    monkeypatch.undo()
    assert (await bench.run(version)).phase is Phase.SUCCEEDED  # the instance is as good as before
    assert len(bench.runtime.instances) == 1


async def test_cancel_while_its_instance_is_being_ended(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(deaf))
    id = await bench.submit(await bench.version())
    await bench.until(id, Kind.STARTED)
    (host,) = bench.engine._supervisor.hosts.values()
    bench.engine._supervisor.end(host, "others need the room", 5)
    bench.bus.submit(CancelRequested(prediction_id=id))
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.attempt) == (Phase.CANCELED, 1)


async def test_cancel_of_one_whose_booting_instance_is_ended(started: Any) -> None:
    bench = await started()
    bench.runtime.boots.clear()
    id = await bench.submit(await bench.version())
    await bench.runtime.until(boots=1)
    (host,) = bench.engine._supervisor.hosts.values()
    await bench.cancel(id)
    bench.engine._supervisor.end(host, "others need the room", 0)
    assert (await bench.end(id)).phase is Phase.CANCELED
    await settle()
    assert not bench.engine._supervisor.hosts


async def test_cancel_before_the_engine_has_heard_of_it(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    created: list[str] = []
    accept = bench.engine._dispatcher.accept

    def late(live: Any, *args: Any) -> None:
        created.append(live.prediction.id)
        bench.bus.submit(CancelRequested(prediction_id=live.prediction.id, by="ada"))
        accept(live, *args)

    bench.engine._dispatcher.accept = late
    prediction = await bench.run(version)
    assert created == [prediction.id]
    assert (prediction.phase, prediction.reason) == (Phase.CANCELED, "canceled on request before it started")
    assert steps(await bench.store.predictions.events(prediction.id))[0] == ("user", "ada")
    assert bench.runtime.specs == []


async def test_a_deadline_that_has_passed_when_it_comes_aborts(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    assert (await bench.run(version)).phase is Phase.SUCCEEDED  # there is an instance with a free slot
    prediction = await bench.run(version, deadline=bench.clock.now() - 1)
    assert (prediction.phase, prediction.started_at) == (Phase.ABORTED, None)


async def test_a_deadline_passes_while_the_server_is_down(bench: Any) -> None:
    first = bench(runtime=FakeRuntime(hold))
    await first.engine.start()
    version = await first.version()
    running = await first.submit(version, deadline=first.clock.now() + 30)
    waits = await first.submit(version, deadline=first.clock.now() + 30)
    await first.until(running, Kind.STARTED)
    await first.engine._recorder.settled(first.engine._dispatcher.tickets[running].live)
    await crash(first)
    await first.advance(60)
    async with bench(clock=first.clock) as second:
        assert (await second.end(running)).phase is Phase.CANCELED
        assert (await second.end(waits)).phase is Phase.ABORTED


async def test_cancel_of_one_that_fails_at_that_moment_changes_nothing(started: Any) -> None:
    bench = await started()
    bench.runtime.fail_setup = "no weights"
    failed = bench.engine._dispatcher.failed

    def then_cancel(host: Any, error: Any) -> None:
        failed(host, error)
        bench.bus.submit(CancelRequested(prediction_id=id))

    bench.engine._dispatcher.failed = then_cancel
    id = await bench.submit(await bench.version())
    assert (await bench.end(id)).phase is Phase.FAILED
