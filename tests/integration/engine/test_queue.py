"""Who goes first, where those who wait stand, and how long it will take."""

from __future__ import annotations

from typing import Any

from hearth.domain.events import Kind
from hearth.domain.prediction import Phase, Place, PredictionKind
from hearth.domain.priority import AGES, Priority
from hearth.policy.order import RESERVE
from hearth.testing.clock import settle
from hearth.testing.engine import Bench
from hearth.testing.runtime import FakeRuntime, deaf, hold
from tests.integration.engine.test_restart import crash


async def held(bench: Bench, id: str) -> None:
    """Wait until it runs."""
    await bench.until(id, Kind.STARTED)


def go(bench: Bench, id: str) -> None:
    """Let it succeed."""
    next(i.runs[id] for i in bench.runtime.instances if id in i.runs).go.set()


def place(bench: Bench, id: str) -> Place:
    feed = bench.bus.feed(id)
    assert feed is not None
    found = feed.snapshot().place
    assert found is not None
    return found


async def waiting(bench: Bench, id: str) -> bool:
    await settle()
    feed = bench.bus.feed(id)
    assert feed is not None
    return feed.snapshot().place is not None


async def test_the_more_urgent_have_the_next_turn(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    version = await bench.version()
    running = await bench.submit(version, priority=Priority.BATCH)
    await held(bench, running)
    order = [Priority.BATCH, Priority.NORMAL, Priority.INTERACTIVE, Priority.BATCH, Priority.INTERACTIVE]
    ids = [await bench.submit(version, priority=priority) for priority in order]
    assert [place(bench, id).ahead for id in ids] == [3, 2, 0, 4, 1]
    for index in (2, 4, 1, 0, 3):
        go(bench, running)
        running = ids[index]
        await held(bench, running)
    go(bench, running)
    assert (await bench.end(running)).phase is Phase.SUCCEEDED


async def test_batch_work_that_has_waited_long_goes_with_the_others(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), run_timeout=10_000, idle_timeout=10_000)
    version = await bench.version()
    running = await bench.submit(version)
    await held(bench, running)
    batch = await bench.submit(version, priority=Priority.BATCH)
    early = await bench.submit(version, priority=Priority.INTERACTIVE)
    assert (place(bench, batch).ahead, place(bench, early).ahead) == (1, 0)
    await bench.advance(AGES[Priority.BATCH] + 1)
    late = await bench.submit(version, priority=Priority.INTERACTIVE)
    assert [place(bench, id).ahead for id in (early, batch, late)] == [0, 1, 2]


async def test_the_last_slot_is_kept_for_interactive_work_where_there_is_some(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold, slots=2), run_timeout=10_000, idle_timeout=10_000)
    version = await bench.version()
    first = await bench.submit(version, priority=Priority.INTERACTIVE)
    await held(bench, first)
    batch = [await bench.submit(version, priority=Priority.BATCH) for _ in range(2)]
    assert await waiting(bench, batch[0])
    assert place(bench, batch[0]).because == "first in line; the free slot is kept for interactive work"
    second = await bench.submit(version, priority=Priority.INTERACTIVE)
    await held(bench, second)  # it does not wait behind them
    go(bench, first)
    await settle()
    assert await waiting(bench, batch[0])  # one slot is free again: the last
    go(bench, second)
    await held(bench, batch[0])  # two are free: one of them may go
    assert await waiting(bench, batch[1])
    await bench.advance(RESERVE)
    await held(bench, batch[1])  # nobody interactive came


async def test_batch_work_has_all_slots_where_nobody_looks_on(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold, slots=2))
    version = await bench.version()
    for id in [await bench.submit(version, priority=Priority.BATCH) for _ in range(2)]:
        await held(bench, id)


async def test_the_order_is_the_same_after_a_restart(bench: Any) -> None:
    first = bench(runtime=FakeRuntime(deaf))
    await first.engine.start()
    version = await first.version()
    await held(first, await first.submit(version))
    order = [Priority.BATCH, Priority.NORMAL, Priority.INTERACTIVE, Priority.BATCH, Priority.INTERACTIVE]
    ids = [await first.submit(version, priority=priority) for priority in order]
    assert [place(first, id).ahead for id in ids] == [3, 2, 0, 4, 1]
    await crash(first)
    slow = FakeRuntime(deaf)
    slow.boots.clear()
    async with bench(runtime=slow, clock=first.clock) as second:
        # What ran is in line again, before the other normal one.
        assert [place(second, id).ahead for id in ids] == [4, 3, 0, 5, 1]


async def test_when_it_starts_is_told_from_how_long_others_ran(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances_per_version=1)
    version = await bench.version()
    for _ in range(3):
        id = await bench.submit(version)
        await held(bench, id)
        await bench.advance(40)
        go(bench, id)
        await bench.end(id)
    running, *ids = [await bench.submit(version) for _ in range(3)]
    await held(bench, running)
    now = bench.clock.now()
    assert [place(bench, id).starts_at for id in ids] == [round(now + 40), round(now + 80)]
    await bench.advance(30)
    assert (
        place(bench, ids[0]).because
        == "first in line; its instance is busy (limit 1 for one version); it starts in about 10 s"
    )
    assert (
        place(bench, ids[1]).because
        == "second in line; its instance is busy (limit 1 for one version); it starts in about 50 s"
    )
    await bench.advance(15)  # longer than any before: nobody can tell
    assert place(bench, ids[0]) == Place(
        ahead=0, starts_at=None, because="first in line; its instance is busy (limit 1 for one version)"
    )


async def test_nothing_is_told_of_what_has_never_run(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    version = await bench.version()
    running, id = [await bench.submit(version) for _ in range(2)]
    await held(bench, running)
    assert place(bench, id).starts_at is None


async def test_how_long_runs_take_is_known_after_a_restart(bench: Any) -> None:
    async with bench(runtime=FakeRuntime(hold)) as first:
        version = await first.version()
        id = await first.submit(version)
        await held(first, id)
        await first.advance(20)
        go(first, id)
        await first.end(id)
    assert await first.store.queue.run_times(version.id, PredictionKind.PREDICTION) == [20.0]
    async with bench(runtime=FakeRuntime(hold), clock=first.clock) as second:
        running, id = [await second.submit(version) for _ in range(2)]
        await held(second, running)
        await second.store.queue.run_times(version.id, PredictionKind.PREDICTION)  # what was asked before is answered
        await settle()
        assert place(second, id).starts_at == round(second.clock.now() + 20)


async def test_what_comes_back_takes_a_slot_that_is_free(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances_per_version=2)
    version = await bench.version()
    ids = [await bench.submit(version) for _ in range(2)]
    await held(bench, ids[0])
    await bench.advance(2)
    await held(bench, ids[1])
    lost = next(i for i in bench.runtime.instances if ids[1] in i.runs)
    go(bench, ids[0])
    await bench.end(ids[0])
    lost.die("killed")
    await bench.until(ids[1], Kind.STARTED, 2)
    assert len(bench.runtime.instances) == 2


async def test_a_full_line_is_full_for_what_is_as_urgent(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_waiting=2)
    version = await bench.version()
    running = await bench.submit(version)
    await held(bench, running)
    full = bench.engine.full
    assert full(version.id, Priority.BATCH) is None
    for _ in range(2):
        await bench.submit(version, priority=Priority.BATCH)
    assert full(version.id, Priority.BATCH) == 5.0  # nobody can tell when
    assert full(version.id, Priority.NORMAL) is None
    assert full("another", Priority.BATCH) is None
    for _ in range(2):
        await bench.submit(version, priority=Priority.INTERACTIVE)
    assert [full(version.id, priority) for priority in Priority] == [5.0] * 3
    value = bench.engine.metrics.registry.get_sample_value
    assert value("hearth_predictions_refused_total", {"priority": "batch"}) == 2
    assert value("hearth_queue_depth", {"priority": "interactive"}) == 2
    assert value("hearth_queue_wait_seconds_count", {"priority": "normal"}) == 1


async def test_it_is_said_when_there_may_be_room(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_waiting=1)
    version = await bench.version()
    first = await bench.submit(version)
    await held(bench, first)
    await bench.advance(40)
    go(bench, first)
    await bench.end(first)
    running, _ = [await bench.submit(version) for _ in range(2)]
    await held(bench, running)
    await bench.advance(10)
    assert bench.engine.full(version.id, Priority.NORMAL) == 30.0
