"""Warm windows, idle timeouts, instances by hand, a pause: what is wanted runs, also after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hearth.bus.base import BootInstance, PauseEngine, ResumeEngine, ScalingChanged, StopInstance, VersionDeleted
from hearth.domain.decision import Action
from hearth.domain.events import Kind
from hearth.domain.lane import of_version
from hearth.domain.model import Version
from hearth.domain.prediction import Phase
from hearth.domain.priority import Priority
from hearth.domain.scaling import Scaling
from hearth.engine.decisions import WRITE_AFTER
from hearth.errors import Unavailable
from hearth.testing.clock import FakeClock, settle
from hearth.testing.engine import Bench
from hearth.testing.runtime import FakeRuntime, hold
from tests.integration.engine.test_deployments import Desk

MONDAY = 1_750_636_800.0
"""2025-06-23 00:00 UTC."""
HOUR = 3600.0


async def put(bench: Bench, target: str, **fields: Any) -> None:
    """As the service does."""
    await bench.store.scalings.put(Scaling(target=target, changed_at=bench.clock.now(), changed_by="ada", **fields))
    bench.bus.submit(ScalingChanged(target=target))
    await followed(bench)


async def followed(bench: Bench) -> None:
    """Once the engine has read what is wanted."""
    await settle()
    await bench.engine._scalings._tasks.join()
    await bench.engine._rollouts._tasks.join()


def alive(bench: Bench, version: Version) -> int:
    return sum(1 for instance in bench.runtime.alive if instance.spec.version_id == version.id)


async def until(bench: Bench, version: Version, count: int) -> None:
    await bench.runtime.until(ready=count)
    assert alive(bench, version) == count


def actions(bench: Bench) -> list[Action]:
    assert bench.bus.desk is not None
    return [decided.action for decided in bench.bus.desk.decisions(100)][::-1]


async def test_a_warm_model_runs_before_anybody_asks(started: Callable[..., Any]) -> None:
    bench: Bench = await started(max_instances_per_version=3)
    version = await bench.version()
    await put(bench, version.model_id, warm=2)
    await until(bench, version, 2)
    await bench.advance(HOUR)
    assert alive(bench, version) == 2
    (lane,) = bench.bus.desk.overview().lanes
    assert (lane.minimum, lane.wanted, lane.because) == (2, 2, "2 instances are kept running")


async def test_a_window_opens_and_closes(started: Callable[..., Any]) -> None:
    clock = FakeClock(MONDAY + 6 * HOUR)
    bench: Bench = await started(clock=clock, idle_timeout=60.0)
    version = await bench.version()
    await put(bench, version.model_id, warm=1, schedule="weekdays 8-19")
    await bench.advance(HOUR)
    await followed(bench)  # it is looked at each hour
    await bench.advance(HOUR - 1)
    assert alive(bench, version) == 0
    await bench.advance(1)
    await until(bench, version, 1)
    for _ in range(10):
        await bench.advance(HOUR)
        await followed(bench)
    await bench.advance(HOUR - 1)
    assert alive(bench, version) == 1
    await bench.advance(1)
    await followed(bench)
    await bench.advance(60)
    assert alive(bench, version) == 0
    assert actions(bench) == [Action.BOOT, Action.IDLE]


async def test_what_is_warm_comes_back_after_a_crash(bench: Callable[..., Bench]) -> None:
    before = bench()
    await before.engine.start()
    version = await before.version()
    await put(before, version.model_id, warm=1)
    await until(before, version, 1)
    deployment = await Desk(before).create(version, least=0)
    await put(before, deployment.id, warm=2)
    await before.runtime.until(ready=3)
    after = bench(runtime=FakeRuntime())  # as after kill -9: the first one is not stopped, its memory is not used
    async with after:
        await after.runtime.until(ready=3)
        assert len(after.runtime.alive) == 3
    await before.engine.stop()


async def test_a_new_version_takes_over_the_warmth(started: Callable[..., Any]) -> None:
    bench: Bench = await started(idle_timeout=60.0)
    old = await bench.version()
    await put(bench, old.model_id, warm=1)
    await until(bench, old, 1)
    new = await bench.version()
    bench.engine._built(new.id)  # what the end of a build does
    await bench.runtime.until(ready=2)
    await bench.advance(61)
    assert (alive(bench, old), alive(bench, new)) == (0, 1)
    await bench.store.versions.delete(new.id, bench.clock.now())
    bench.bus.submit(VersionDeleted(version_id=new.id))
    await bench.runtime.until(ready=3)
    assert alive(bench, old) == 1


async def test_a_deployment_is_kept_warm_within_its_bounds(started: Callable[..., Any]) -> None:
    bench: Bench = await started(idle_timeout=60.0)
    version = await bench.version()
    deployment = await Desk(bench).create(version, least=0, most=2)
    await put(bench, deployment.id, warm=5)
    await until(bench, version, 2)
    await bench.store.scalings.remove(deployment.id)
    bench.bus.submit(ScalingChanged(target=deployment.id))
    async with asyncio.timeout(60):  # the engine reads in a thread what has changed
        while any(lane.minimum for lane in bench.bus.desk.overview().lanes):
            await settle()
    await bench.advance(200)
    assert alive(bench, version) == 0


async def test_an_idle_timeout_of_its_own(started: Callable[..., Any]) -> None:
    bench: Bench = await started(idle_timeout=300.0)
    short, usual, long = [await bench.version(name) for name in ("short", "usual", "long")]
    await put(bench, short.model_id, idle_timeout=10.0)
    await put(bench, long.model_id, idle_timeout=1000.0)
    for version in (short, usual, long):
        await bench.run(version)
    for seconds, left in ((9, (1, 1, 1)), (2, (0, 1, 1)), (290, (0, 0, 1)), (690, (0, 0, 1)), (310, (0, 0, 0))):
        await bench.advance(seconds)
        assert tuple(alive(bench, version) for version in (short, usual, long)) == left


async def test_a_line_of_its_own_length(started: Callable[..., Any]) -> None:
    bench: Bench = await started(runtime=FakeRuntime(hold), max_waiting=3)
    short, usual = [await bench.version(name) for name in ("short", "usual")]
    await put(bench, short.model_id, max_waiting=1)
    for version in (short, usual):
        await bench.until(await bench.submit(version), Kind.STARTED)
        await bench.submit(version)
    full = bench.engine.full
    assert full(short.id, Priority.NORMAL) is not None
    assert full(usual.id, Priority.NORMAL) is None
    await put(bench, short.model_id, max_waiting=2)
    assert full(short.id, Priority.NORMAL) is None
    await bench.submit(short)
    assert full(short.id, Priority.NORMAL) is not None
    await bench.store.scalings.remove(short.model_id)
    bench.bus.submit(ScalingChanged(target=short.model_id))
    await followed(bench)
    assert full(short.id, Priority.NORMAL) is None


async def test_an_instance_by_hand_serves_and_ends_by_being_idle(started: Callable[..., Any]) -> None:
    bench: Bench = await started(idle_timeout=60.0)
    version = await bench.version()
    bench.bus.submit(BootInstance(version=version, lane=of_version(version.id)))
    await until(bench, version, 1)
    assert (await bench.run(version)).phase is Phase.SUCCEEDED
    assert len(bench.runtime.instances) == 1
    await bench.advance(61)
    assert alive(bench, version) == 0


async def test_an_instance_by_hand_that_fails_is_not_tried_again(started: Callable[..., Any]) -> None:
    bench: Bench = await started()
    bench.runtime.fail_setup = "no weights"
    version = await bench.version()
    bench.bus.submit(BootInstance(version=version, lane=of_version(version.id)))
    await bench.runtime.until(boots=1)
    await settle()
    await bench.advance(600)
    assert len(bench.runtime.specs) == 1


async def test_stopping_an_instance_by_hand_runs_its_prediction_again(started: Callable[..., Any]) -> None:
    bench: Bench = await started(runtime=FakeRuntime(hold))
    version = await bench.version()
    id = await bench.submit(version)
    await bench.given(id)
    bench.runtime.model = hold
    (instance,) = bench.runtime.alive
    bench.runtime.given.clear()
    bench.bus.submit(StopInstance(instance_id=instance.id, because="ada stopped it"))
    await bench.runtime.until(ready=2)
    await bench.given(id)
    bench.runtime.instances[1].runs[id].go.set()
    assert (await bench.end(id)).phase is Phase.SUCCEEDED
    assert "ada stopped it" in [decided.because for decided in bench.bus.desk.decisions(10)]


async def test_a_pause_holds_what_comes_and_a_resume_lets_it_go(started: Callable[..., Any]) -> None:
    bench: Bench = await started()
    version = await bench.version()
    await bench.run(version)
    bench.bus.submit(PauseEngine(because="a new disk"))
    waits, cold = await bench.submit(version), await bench.submit(await bench.version("other"))
    await bench.advance(60)
    for id in (waits, cold):
        feed = bench.bus.feed(id)
        assert feed is not None
        assert (feed.snapshot().phase, feed.snapshot().reason) == (Phase.QUEUED, "the server is paused: a new disk")
    assert bench.bus.desk.overview().paused == "a new disk"
    with pytest.raises(Unavailable, match="The server is paused: a new disk"):
        bench.engine.ready()
    bench.bus.submit(ResumeEngine())
    for id in (waits, cold):
        assert (await bench.end(id)).phase is Phase.SUCCEEDED
    bench.engine.ready()


async def test_decisions_are_remembered_over_a_restart(bench: Callable[..., Bench]) -> None:
    async with bench(max_instances=1) as before:
        one, other = await before.version("one"), await before.version("other")
        await before.run(one)
        await before.run(other)
        await before.advance(WRITE_AFTER)
        found = before.bus.desk.decisions(100)
        assert [decided.action for decided in found][::-1] == [
            Action.BOOT, Action.EVICT, Action.HOLD, Action.BOOT,
        ]  # fmt: skip
        boot, evict, hold_, _ = found[::-1]
        assert (boot.model, boot.wanted, boot.because) == ("ada/one", 1, "the first instance boots")
        assert evict.because == "idle for 0 s, and ada/other needs the room"
        assert (hold_.model, hold_.wanted) == ("ada/other", 1)
    async with bench() as after:
        kept = after.bus.desk.decisions(100)
        assert kept[-4:] == found
        assert kept[0].because == "the server is stopping"


async def test_a_lane_says_how_it_is(started: Callable[..., Any]) -> None:
    bench: Bench = await started(runtime=FakeRuntime(hold), idle_timeout=42.0)
    version = await bench.version()
    first, second = await bench.submit(version), await bench.submit(version)
    await bench.given(first)
    await bench.advance(5)
    (lane,) = bench.bus.desk.overview().lanes
    assert (lane.waiting, lane.oldest, lane.running, lane.ready, lane.wanted) == (1, 5.0, 1, 1, 1)
    assert (lane.maximum, lane.idle_timeout) == (1, 42.0)
    assert lane.because == "its instance is busy (limit 1 for one version)"
    text = bench.engine.metrics.registry.get_sample_value(
        "hearth_lane_waiting", {"model": "ada/model", "version": version.id[:12], "deployment": ""}
    )
    assert text == 1
    for id in (first, second):
        await bench.given(id)
        bench.runtime.instances[0].runs[id].go.set()
        await bench.end(id)
