"""Predictions run: events, outcome, order, slots, retries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hearth.bus.base import Withdrawn
from hearth.domain.boot import BootPhase
from hearth.domain.events import Kind
from hearth.domain.instance import InstanceState
from hearth.domain.prediction import Phase
from hearth.runtime.base import Began, Measured, Outcome, Yielded
from hearth.testing.clock import settle
from hearth.testing.engine import ITERATOR, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, crashes, fails, hold, says, stream, yields_then_holds

TIMES = {"total_time", "predict_time"}


async def test_a_first_prediction_boots_an_instance_and_succeeds(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    prediction = await bench.run(version)
    assert (prediction.phase, prediction.output, prediction.error) == (Phase.SUCCEEDED, "hello", None)
    assert set(prediction.metrics) == TIMES
    assert prediction.attempt == 1
    kinds = await bench.kinds(prediction.id)
    assert kinds == [Kind.QUEUED, *[Kind.BOOTING] * 7, Kind.ASSIGNED, Kind.STARTED, Kind.SUCCEEDED]
    assert bench.bus.feed(prediction.id) is None
    assert await bench.store.queue.depth() == {}


async def test_the_boot_that_a_prediction_waits_for_is_in_its_history(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    bench.runtime.boots.clear()
    id = await bench.submit(version)
    await bench.runtime.until(boots=1)
    await bench.until(id, Kind.BOOTING, 6)
    await bench.advance(3)
    bench.runtime.boots.set()
    await bench.end(id)
    boots = [event.data for event in await bench.store.predictions.events(id) if event.kind is Kind.BOOTING]
    assert [data.get("phase") for data in boots] == [None, *(phase.value for phase in BootPhase), None]
    assert all(data["because"] for data in boots)
    assert {data["instance"] for data in boots} == {bench.runtime.specs[0].id}
    assert (boots[-1]["seconds"], boots[-1]["phases"]["setup"], boots[-1]["phases"]["import"]) == (3.0, 3.0, 0.0)


async def test_boots_are_remembered(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    bench.runtime.boots.clear()
    id = await bench.submit(version)
    await bench.runtime.until(boots=1)
    await bench.until(id, Kind.BOOTING, 6)
    await bench.advance(3)
    bench.runtime.boots.set()
    await bench.end(id)
    await bench.engine.stop()
    (boot,) = await bench.store.boots.of_version(version.id, 10)
    assert (boot.environment, boot.seconds, boot.forked) == (version.recipe.environment, 3.0, False)
    assert [lap.phase for lap in boot.laps] == list(BootPhase)


async def test_a_warm_instance_takes_the_next_one_without_a_boot(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    await bench.run(version)
    second = await bench.run(version)
    assert await bench.kinds(second.id) == [Kind.QUEUED, Kind.ASSIGNED, Kind.STARTED, Kind.SUCCEEDED]
    assert len(bench.runtime.specs) == 1


async def test_an_iterator_that_yields_nothing_ends_with_an_empty_list(started: Any) -> None:
    async def nothing(run: FakeRun) -> Outcome:
        return Outcome(status="succeeded")

    bench = await started(runtime=FakeRuntime(nothing))
    version = await bench.version(document=schema(output=ITERATOR))
    assert (await bench.run(version)).output == []


async def test_an_iterator_shows_items_while_it_runs_and_keeps_them(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(yields_then_holds("a", "b")))
    version = await bench.version(document=schema(output=ITERATOR))
    id = await bench.submit(version)
    await bench.until(id, Kind.OUTPUT, 2)
    feed = bench.bus.feed(id)
    assert feed is not None
    assert feed.snapshot().output == ["a", "b"]
    assert feed.snapshot().phase is Phase.RUNNING
    await bench.cancel(id)
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.output) == (Phase.CANCELED, ["a", "b"])
    events = await bench.store.predictions.events(id)
    assert [event.seq for event in events] == list(range(len(events)))
    assert prediction.events == len(events)


async def test_an_iterator_that_yields_nothing_has_an_empty_output(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(stream()))
    prediction = await bench.run(await bench.version(document=schema(output=ITERATOR)))
    assert prediction.output == []


async def test_the_models_own_error_is_a_result(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(fails("ValueError: no")))
    prediction = await bench.run(await bench.version())
    assert (prediction.phase, prediction.error, prediction.output) == (Phase.FAILED, "ValueError: no", None)
    assert len(bench.runtime.specs) == 1


async def test_logs_and_metrics_are_kept(started: Any) -> None:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        run.emit(Measured("steps", 2, "incr"))
        run.emit(Measured("steps", 3, "incr"))
        run.emit(Measured("a.b", "x"))
        return Outcome(status="succeeded", output=1, metrics={"predict_time": 0.5})

    bench = await started(runtime=FakeRuntime(says("one\n", "two\n", then=model)))
    prediction = await bench.run(await bench.version())
    assert prediction.logs == "one\ntwo\n"
    assert prediction.metrics["steps"] == 5
    assert prediction.metrics["a"] == {"b": "x"}
    assert prediction.metrics["predict_time"] == 0.5


async def test_a_model_that_counts_tokens_is_timed(started: Any) -> None:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        await bench.advance(0.5)
        run.emit(Yielded("a"))
        run.emit(Measured("input_token_count", 3))
        run.emit(Measured("output_token_count", 12))
        await bench.advance(2.0)
        return Outcome(status="succeeded", output=["a"])

    bench = await started(runtime=FakeRuntime(model))
    prediction = await bench.run(await bench.version(document=schema(output=ITERATOR)))
    assert (prediction.metrics["time_to_first_token"], prediction.metrics["tokens_per_second"]) == (0.5, 5.5)
    assert bench.engine.metrics.registry.get_sample_value("hearth_output_tokens_total") == 12
    assert bench.engine.metrics.registry.get_sample_value("hearth_input_tokens_total") == 3


async def test_keys_that_the_schema_does_not_name_stay_in_the_record_only(started: Any) -> None:
    seen: list[dict[str, Any]] = []

    async def model(run: FakeRun) -> Outcome:
        seen.append(run.job.input)
        return Outcome(status="succeeded")

    bench = await started(runtime=FakeRuntime(model))
    prediction = await bench.run(await bench.version(), {"text": "x", "extra": 1})
    assert seen == [{"text": "x"}]
    assert prediction.input == {"text": "x", "extra": 1}


async def test_slots_are_filled_and_never_overfilled(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold, slots=3))
    version = await bench.version()
    ids = [await bench.submit(version) for _ in range(5)]
    for id in ids[:3]:
        await bench.until(id, Kind.STARTED)
    instance = bench.runtime.instances[0]
    assert set(instance.runs) == set(ids[:3])
    waiting = bench.bus.feed(ids[4]).snapshot()
    assert waiting.phase is Phase.QUEUED
    assert waiting.reason.startswith("second in line; its instance is busy")
    for run in list(instance.runs.values()):
        run.go.set()
    for id in ids[3:]:
        await bench.until(id, Kind.STARTED)
        instance.runs[id].go.set()
    for id in ids:
        assert (await bench.end(id)).phase is Phase.SUCCEEDED
    assert instance.most == 3


async def test_accounts_take_turns(started: Any) -> None:
    order: list[str] = []

    async def model(run: FakeRun) -> Outcome:
        order.append(run.job.input["text"])
        return Outcome(status="succeeded")

    bench = await started(runtime=FakeRuntime(model))
    bench.runtime.boots.clear()
    version = await bench.version()
    bob = await bench.account("bob")
    ids = [await bench.submit(version, {"text": f"ada {n}"}) for n in range(3)]
    ids += [await bench.submit(version, {"text": f"bob {n}"}, account=bob) for n in range(2)]
    assert bench.bus.feed(ids[4]).snapshot().reason == "fourth in line; an instance is booting"
    bench.runtime.boots.set()
    for id in ids:
        await bench.end(id)
    assert order == ["ada 0", "bob 0", "ada 1", "bob 1", "ada 2"]


async def test_a_lost_instance_is_replaced_and_the_run_repeated_once(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(crashes("it was killed by the kernel: out of memory")))
    id = await bench.submit(await bench.version())
    prediction = await bench.end(id)
    assert prediction.phase is Phase.FAILED
    assert "out of memory" in prediction.error
    assert "last words" in prediction.error
    assert prediction.attempt == 2
    assert len(bench.runtime.specs) == 2
    assert (await bench.kinds(id)).count(Kind.RETURNED) == 1
    bench.runtime.model = stream("fresh")
    assert (await bench.run(await bench.version())).phase is Phase.SUCCEEDED


async def test_a_run_that_had_delivered_is_not_repeated(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(crashes(after=("half",))))
    prediction = await bench.run(await bench.version(document=schema(output=ITERATOR)))
    assert (prediction.phase, prediction.attempt, prediction.output) == (Phase.FAILED, 1, ["half"])
    assert "died: Worker crashed" in prediction.error


async def test_an_instance_lost_before_the_start_costs_no_attempt(started: Any) -> None:
    async def refuses_once(run: FakeRun) -> Outcome:
        bench.runtime.model = stream("x")
        return await crashes(started=False)(run)

    bench = await started(runtime=FakeRuntime(refuses_once))
    prediction = await bench.run(await bench.version())
    assert (prediction.phase, prediction.attempt) == (Phase.SUCCEEDED, 1)
    assert (await bench.kinds(prediction.id)).count(Kind.RETURNED) == 1


async def test_an_instance_that_always_refuses_does_not_loop_for_ever(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(crashes(started=False)))
    id = await bench.submit(await bench.version())
    for boots, pause in enumerate((0, 0, 2, 5, 15, 30), start=1):
        await bench.advance(pause)
        await bench.runtime.until(boots=boots)
        await settle()
    prediction = await bench.end(id)
    assert prediction.phase is Phase.FAILED
    assert len(bench.runtime.specs) == 6


async def test_an_idle_instance_that_dies_is_replaced_on_demand(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    await bench.run(version)
    bench.runtime.instances[0].die("killed")
    await settle()
    assert bench.runtime.instances[0].stopped
    assert (await bench.run(version)).phase is Phase.SUCCEEDED
    assert len(bench.runtime.specs) == 2


async def test_setup_failure_fails_whoever_waits_with_the_last_lines(started: Any) -> None:
    bench = await started()
    bench.runtime.boots.clear()
    version = await bench.version()
    ids = [await bench.submit(version) for _ in range(3)]
    bench.runtime.fail_setup = "The model's setup failed: FileNotFoundError: weights.bin"
    bench.runtime.boots.set()
    for id in ids:
        prediction = await bench.end(id)
        assert prediction.phase is Phase.FAILED
        assert prediction.error == (
            "The model's setup failed: FileNotFoundError: weights.bin\nLast log lines:\nloading weights"
        )
    bench.runtime.fail_setup = None
    assert (await bench.run(version)).phase is Phase.SUCCEEDED


async def test_boots_back_off_after_repeated_failures_until_reset(started: Any) -> None:
    bench = await started()
    bench.runtime.fail_setup = "broken"
    version = await bench.version()
    for _ in range(2):
        assert (await bench.run(version)).phase is Phase.FAILED
    bench.runtime.fail_setup = None
    id = await bench.submit(version)
    await settle()
    assert len(bench.runtime.specs) == 2
    assert bench.bus.feed(id).snapshot().reason == (
        "first in line; its setup failed 2 times in a row; the next try is in 2 s"
    )
    await bench.advance(2)
    assert (await bench.end(id)).phase is Phase.SUCCEEDED
    assert len(bench.runtime.specs) == 3


async def test_an_unexpected_error_while_booting_fails_the_prediction(
    started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await started()

    async def broken(*args: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(bench.runtime, "start", broken)
    prediction = await bench.run(await bench.version())
    assert prediction.phase is Phase.FAILED
    assert "could not be started" in prediction.error


async def test_a_second_instance_boots_when_the_queue_says_so(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances_per_version=2)
    version = await bench.version()
    ids = [await bench.submit(version) for _ in range(3)]
    await bench.until(ids[0], Kind.STARTED)
    assert len(bench.runtime.specs) == 1
    await bench.advance(1.5)
    await bench.until(ids[1], Kind.STARTED)
    assert len(bench.runtime.alive) == 2
    await bench.advance(60)
    assert len(bench.runtime.specs) == 2


async def test_an_idle_instance_ends_after_its_time_and_a_busy_one_never(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), idle_timeout=300)
    version = await bench.version()
    id = await bench.submit(version)
    await bench.until(id, Kind.STARTED)
    await bench.advance(1000)
    instance = bench.runtime.instances[0]
    assert not instance.stopped
    instance.runs[id].go.set()
    await bench.end(id)
    await bench.advance(299)
    assert not instance.stopped
    await bench.advance(2)
    assert instance.stopped


async def test_the_longest_idle_instance_of_another_version_makes_room(started: Any) -> None:
    bench = await started(max_instances=2)
    first, second, third = [await bench.version(name) for name in ("first", "second", "third")]
    await bench.run(first)
    await bench.advance(5)
    await bench.run(second)
    await bench.advance(5)
    assert (await bench.run(third)).phase is Phase.SUCCEEDED
    assert [i.spec.model for i in bench.runtime.alive] == ["ada/second", "ada/third"]


async def test_a_busy_instance_is_never_evicted_and_room_is_used_when_it_comes(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances=1)
    first, second = [await bench.version(name) for name in ("first", "second")]
    running = await bench.submit(first)
    await bench.until(running, Kind.STARTED)
    waiting = await bench.submit(second)
    await settle()
    assert bench.bus.feed(waiting).snapshot().reason == (
        "first in line; the only instance this server may run is busy with ada/first"
    )
    instance = bench.runtime.instances[0]
    assert not instance.stopped
    instance.runs[running].go.set()
    await bench.until(waiting, Kind.STARTED)
    assert instance.stopped


async def test_a_version_that_is_kept_out_for_long_gets_its_turn(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances=1)
    first, second = [await bench.version(name) for name in ("first", "second")]
    ids = [await bench.submit(first)]
    await bench.until(ids[0], Kind.STARTED)
    waiting = await bench.submit(second)
    await bench.advance(31)
    ids.append(await bench.submit(first))
    bench.runtime.instances[0].runs[ids[0]].go.set()
    await bench.until(waiting, Kind.STARTED)
    assert bench.bus.feed(ids[1]).snapshot().phase is Phase.QUEUED


async def test_instances_are_shown_with_state_reason_and_memory(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), show_interval=0.0)
    version = await bench.version()
    id = await bench.submit(version)
    await bench.until(id, Kind.STARTED)
    await settle()
    (view,) = bench.bus.instances()
    assert (view.model, view.version, view.state) == ("ada/model", version.id, InstanceState.BUSY)
    assert (view.predictions, view.busy, view.slots) == ((id,), 1, 1)
    assert (view.memory, view.pid) == (64 * 1024 * 1024, 4242)
    assert view.logs == "loading weights"
    assert view.because


async def test_a_withdrawn_prediction_leaves_nothing(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    version = await bench.version()
    running = await bench.submit(version)
    await bench.until(running, Kind.STARTED)
    waiting = await bench.submit(version)
    for id in (waiting, running):
        bench.bus.submit(Withdrawn(prediction_id=id))
        assert bench.bus.feed(id) is None
    await settle()
    assert bench.runtime.instances[0].runs == {}
    assert (await bench.store.predictions.get(waiting)).phase is Phase.QUEUED


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], tuple[asyncio.Event, asyncio.Event]]:
    """Makes a bench's store take its time with the first output: (it has been asked, it may go on)."""

    def slow(bench: Any) -> tuple[asyncio.Event, asyncio.Event]:
        record, asked, go = bench.store.predictions.record, asyncio.Event(), asyncio.Event()

        async def wait(change: Any) -> bool:
            if any(event.kind is Kind.OUTPUT for event in change.events):
                asked.set()
                await go.wait()
            return bool(await record(change))

        monkeypatch.setattr(bench.store.predictions, "record", wait)
        return asked, go

    return slow


async def test_nobody_sees_output_before_it_is_stored(started: Any, slow: Any) -> None:
    """After a crash a prediction that has delivered nothing runs again."""
    bench = await started(runtime=FakeRuntime(says("line\n", then=yields_then_holds("a", "b"))))
    version = await bench.version(document=schema(output=ITERATOR))
    asked, go = slow(bench)
    id = await bench.submit(version)
    heard: list[int] = []
    forget = bench.bus.listen(id, lambda events, ended: heard.extend(event.seq for event in events))
    await asyncio.wait_for(asked.wait(), 60)
    feed = bench.bus.feed(id)
    assert feed.snapshot().output is None
    assert feed.snapshot().logs == "line\n"
    assert feed.events[-1].kind is Kind.LOG
    go.set()
    await bench.until(id, Kind.OUTPUT, 2)
    assert Kind.OUTPUT in await bench.kinds(id)
    assert feed.snapshot().output == ["a", "b"]
    await bench.cancel(id)
    prediction = await bench.end(id)
    assert heard == list(range(heard[0], prediction.events))
    forget()


async def test_the_first_output_waits_for_no_disk_but_soon_reaches_it(
    started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await started(runtime=FakeRuntime(yields_then_holds("a")))
    version = await bench.version(document=schema(output=ITERATOR))
    record, changes, twice = bench.store.predictions.record, [], asyncio.Event()

    async def remember(change: Any) -> bool:
        changes.append((change.soft, any(event.kind is Kind.OUTPUT for event in change.events)))
        if len(changes) > 1 and changes[-2][0]:
            twice.set()
        return bool(await record(change))

    monkeypatch.setattr(bench.store.predictions, "record", remember)
    id = await bench.submit(version)
    await asyncio.wait_for(twice.wait(), 60)
    assert changes[-2:] == [(True, True), (False, False)]
    await bench.cancel(id)
    await bench.end(id)
    assert [soft for soft, _ in changes].count(True) == 1


async def test_output_that_is_being_stored_counts_as_delivered(started: Any, slow: Any) -> None:
    bench = await started(runtime=FakeRuntime(crashes("killed", after=("a",))))
    version = await bench.version(document=schema(output=ITERATOR))
    asked, go = slow(bench)
    id = await bench.submit(version)
    heard: list[Kind] = []
    forget = bench.bus.listen(id, lambda events, ended: heard.extend(event.kind for event in events))
    await asyncio.wait_for(asked.wait(), 60)
    go.set()
    prediction = await bench.end(id)
    forget()
    assert (prediction.phase, prediction.output, prediction.attempt) == (Phase.FAILED, ["a"], 1)
    assert heard[-2:] == [Kind.OUTPUT, Kind.FAILED]
    assert heard == (await bench.kinds(id))[-len(heard) :]


async def test_the_fullest_instance_is_filled_first(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold, slots=2), max_instances_per_version=2)
    version = await bench.version()
    ids = [await bench.submit(version) for _ in range(3)]
    for id in ids[:2]:
        await bench.until(id, Kind.STARTED)
    await bench.advance(2)  # they run for longer than a boot takes
    await bench.runtime.until(ready=2)
    for id in ids:
        await bench.until(id, Kind.STARTED)
    first, second = bench.runtime.instances
    assert (len(first.runs), len(second.runs)) == (2, 1)
    for run in list(first.runs.values()):
        run.go.set()
    await bench.end(ids[0])
    await bench.end(ids[1])
    late = await bench.submit(version)
    await bench.until(late, Kind.STARTED)
    assert late in second.runs  # the first one may end
