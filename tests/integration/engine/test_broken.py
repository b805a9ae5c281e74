"""Versions that cannot work: given up, said so, remembered, tried again when somebody asks; and unfit instances."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hearth.bus.base import ResetVersion
from hearth.domain.events import Kind
from hearth.domain.prediction import Phase
from hearth.policy.backoff import BOOT
from hearth.policy.faults import LIMIT
from hearth.runtime.base import Began, Outcome
from hearth.testing.clock import settle
from hearth.testing.engine import Bench
from hearth.testing.runtime import FakeRun, FakeRuntime, crashes, echo, fails


async def give_up(bench: Bench, version: Any) -> None:
    """Fail its setup until nothing is tried any more."""
    bench.runtime.fail_setup = "The model's setup failed: no weights"
    for number in range(LIMIT):
        id = await bench.submit(version)
        await bench.advance(BOOT[number])
        assert (await bench.end(id)).phase is Phase.FAILED
    assert len(bench.runtime.specs) == LIMIT


async def test_a_broken_version_fails_at_once_and_says_how_to_try_again(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    await give_up(bench, version)
    prediction = await bench.run(version)
    assert prediction.phase is Phase.FAILED
    assert prediction.error == (
        "The model's setup failed: no weights. That was the 5th time in a row, so it is not tried again: push the "
        f"model again, or ask for another try: hearth models retry ada/model:{version.id[:12]}\n"
        "Last log lines:\nloading weights"
    )
    assert len(bench.runtime.specs) == LIMIT
    await bench.advance(3600)
    await bench.run(version)
    assert len(bench.runtime.specs) == LIMIT
    (broken,) = bench.engine.overview().broken
    assert (broken.version_id, broken.failures, broken.logs) == (version.id, LIMIT, "loading weights\n")


async def test_a_boot_whose_files_never_come_ends(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await started(setup_timeout=30.0)
    version = await bench.version()
    asked = asyncio.Event()

    async def never(source: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.engine._supervisor._sources, "materialise", never)
    id = await bench.submit(version)
    await asked.wait()
    await bench.advance(59)
    assert (feed := bench.bus.feed(id)) is not None
    assert not feed.snapshot().phase.terminal
    await bench.advance(2)
    ended = await bench.end(id)
    assert ended.phase is Phase.FAILED
    assert ended.error is not None
    assert "not ready after 60 s" in ended.error


async def test_another_try_by_hand(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    await give_up(bench, version)
    bench.runtime.fail_setup = None
    bench.bus.submit(ResetVersion(version_id=version.id))
    assert (await bench.run(version)).phase is Phase.SUCCEEDED
    assert bench.engine.overview().broken == ()
    await settle()
    assert await bench.store.breakdowns.all() == []


async def test_a_restart_remembers(started: Any, bench: Any) -> None:
    async with bench() as first:
        version = await first.version()
        await give_up(first, version)
    again = await started()
    prediction = await again.run(version)
    assert prediction.phase is Phase.FAILED
    assert again.runtime.specs == []
    again.bus.submit(ResetVersion(version_id=version.id))
    assert (await again.run(version)).phase is Phase.SUCCEEDED


async def test_others_are_not_concerned(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    await give_up(bench, version)
    bench.runtime.fail_setup = None
    assert (await bench.run(await bench.version("other"))).phase is Phase.SUCCEEDED


async def test_instances_that_die_idle_are_not_booted_for_ever(started: Any) -> None:
    bench = await started()
    version = await bench.version()
    for number in range(LIMIT):
        bench.runtime.boots.clear()
        id = await bench.submit(version)
        await bench.advance(BOOT[number - 1] if number else 0)
        await bench.runtime.until(boots=number + 1)
        await bench.cancel(id)
        await bench.end(id)
        bench.runtime.boots.set()
        await bench.runtime.until(ready=number + 1)
        await settle()
        bench.runtime.instances[-1].die("the model's process was killed by SIGSEGV")
        await settle()
    prediction = await bench.run(version)
    assert prediction.error is not None
    assert (
        "An instance of ada/model died: the model's process was killed by SIGSEGV. That was the 5th" in prediction.error
    )


async def test_predictions_that_kill_their_instances_meet_pauses(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(crashes("killed by SIGSEGV")))
    version = await bench.version()
    first = await bench.end(await bench.submit(version))
    assert first.error is not None
    assert first.attempt == 2
    second = await bench.submit(version)
    await settle()
    assert len(bench.runtime.specs) == 2
    assert (feed := bench.bus.feed(second)) is not None
    assert "its instance died 2 times in a row; the next try is in 1 s" in feed.snapshot().reason
    bench.runtime.model = echo
    await bench.advance(1)
    assert (await bench.end(second)).phase is Phase.SUCCEEDED
    assert (await bench.run(version)).phase is Phase.SUCCEEDED
    assert bench.engine.overview().broken == ()


async def test_an_ill_instance_is_replaced_after_it_failed_a_prediction(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(fails("ValueError: bad")))
    version = await bench.version()
    await bench.run(version)
    (first,) = bench.runtime.instances
    assert first.checks == 1
    assert not first.stopped
    first.ill = "its health check failed: the weights are gone"
    await bench.run(version)
    bench.runtime.model = echo
    assert (await bench.run(version)).phase is Phase.SUCCEEDED
    assert first.stopped
    assert len(bench.runtime.instances) == 2


async def test_an_idle_instance_is_looked_at_now_and_then(started: Any) -> None:
    bench = await started(health_interval=30.0)
    version = await bench.version()
    await bench.run(version)
    (first,) = bench.runtime.instances
    await bench.advance(31)
    assert (first.checks, first.stopped) == (1, False)
    first.ill = "it did not answer a health check within 12 s"
    await bench.advance(31)
    assert first.stopped


async def test_an_error_of_the_machine_runs_again_on_a_fresh_instance(started: Any) -> None:
    async def full(run: FakeRun) -> Outcome:
        run.emit(Began())
        run.instance.model = bench.runtime.model = echo
        return Outcome(status="failed", error="OSError: [Errno 28] No space left on device")

    bench = await started(runtime=FakeRuntime(full))
    id = await bench.submit(await bench.version())
    prediction = await bench.end(id)
    assert (prediction.phase, prediction.attempt) == (Phase.SUCCEEDED, 2)
    assert Kind.RETURNED in await bench.kinds(id)
    assert bench.runtime.instances[0].stopped
    assert len(bench.runtime.instances) == 2


async def test_an_error_that_ruins_the_process_is_a_result_and_ends_the_instance(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(fails("RuntimeError: CUDA error: device-side assert triggered")))
    version = await bench.version()
    prediction = await bench.run(version)
    assert (prediction.phase, prediction.attempt) == (Phase.FAILED, 1)
    bench.runtime.model = echo
    assert (await bench.run(version)).phase is Phase.SUCCEEDED
    assert bench.runtime.instances[0].stopped
