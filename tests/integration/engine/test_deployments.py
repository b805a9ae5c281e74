"""Deployments: what is wanted runs, a release takes over when it is ready, and a broken one never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hearth import ids
from hearth.bus.base import DeploymentChanged, NewPrediction
from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.domain.events import Event, Kind
from hearth.domain.model import Version
from hearth.domain.prediction import Phase, Prediction
from hearth.store.base import Lease
from hearth.testing.clock import settle
from hearth.testing.engine import Bench
from hearth.testing.runtime import FakeRuntime, deaf, echo, hold


class Desk:
    """Does to deployments what the service does."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def create(self, version: Version, least: int = 0, most: int = 2, name: str = "app") -> Deployment:
        account = await self.bench.account()
        now = self.bench.clock.now()
        release = Release(
            number=1,
            model=version.model,
            version=version.id,
            hardware="cpu",
            min_instances=least,
            max_instances=most,
            created_at=now,
            created_by="ada",
        )
        deployment = Deployment(
            id=ids.sortable(), account_id=account.id, owner="ada", name=name, created_at=now, current=release
        ).with_release(release)
        await self.bench.store.deployments.create(deployment)
        self.tell(deployment)
        return deployment

    async def update(self, deployment: Deployment, **fields: Any) -> Deployment:
        changed = await self.release(await self.now(deployment), **fields)
        self.tell(changed)
        return changed

    async def release(self, deployment: Deployment, **fields: Any) -> Deployment:
        """Stored; the engine has not heard of it."""
        changed = deployment.changed(fields, at=self.bench.clock.now(), by="ada")
        assert changed is not None
        assert await self.bench.store.deployments.release(changed)
        return changed

    async def delete(self, deployment: Deployment) -> None:
        await self.bench.store.deployments.delete(deployment.id)
        self.tell(deployment)

    def tell(self, deployment: Deployment) -> None:
        self.bench.bus.submit(DeploymentChanged(deployment_id=deployment.id, deployment=deployment.full_name))

    async def now(self, deployment: Deployment) -> Deployment:
        """As it is stored, once everything that is known has been followed."""
        await settle()
        await self.bench.engine._rollouts._tasks.join()
        found = await self.bench.store.deployments.by_id(deployment.id)
        assert found is not None
        return found

    async def submit(self, deployment: Deployment, *, stale: bool = False) -> str:
        """A prediction for the release that serves; `stale`: by what is known of it."""
        bench = self.bench
        if not stale:
            deployment = await self.now(deployment)
        version = await bench.store.versions.get(deployment.route.version)
        assert version is not None
        prediction = Prediction(
            id=ids.sortable(),
            account_id=deployment.account_id,
            model=version.model,
            version=version.id,
            deployment=deployment.full_name,
            input={"text": "hello"},
            created_at=bench.clock.now(),
            events=1,
        )
        await bench.store.predictions.create(
            prediction,
            [Event(0, Kind.QUEUED, prediction.created_at, {})],
            lease=Lease(bench.bus.owner or "", prediction.created_at + 30),
        )
        lane = deployment.lane(deployment.route)
        bench.bus.submit(NewPrediction(prediction=prediction, version=version, lane=lane))
        return prediction.id

    async def run(self, deployment: Deployment) -> Prediction:
        return await self.bench.end(await self.submit(deployment))

    @property
    def versions(self) -> list[str]:
        """Of the instances that live."""
        return [instance.spec.version_id for instance in self.bench.runtime.alive]


Start = Callable[..., Any]


async def test_the_minimum_runs_from_creation_and_stays(started: Start) -> None:
    bench = await started(idle_timeout=60.0)
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version, least=2, most=3)
    await bench.runtime.until(ready=2)
    await bench.advance(600)
    assert len(bench.runtime.alive) == 2
    found = await desk.now(deployment)
    assert (found.current.state, found.serving) == (ReleaseState.LIVE, found.current)
    bench.runtime.alive[0].die("killed")
    await bench.runtime.until(ready=3)
    assert len(bench.runtime.alive) == 2


async def test_it_has_instances_of_its_own(started: Start) -> None:
    bench = await started()
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version)
    assert (await bench.run(version)).phase is Phase.SUCCEEDED
    prediction = await desk.run(deployment)
    assert (prediction.phase, prediction.deployment) == (Phase.SUCCEEDED, "ada/app")
    assert desk.versions == [version.id, version.id]
    views = [host.view(0.0) for host in bench.engine._supervisor.hosts.values()]
    assert {view.deployment for view in views} == {None, "ada/app"}


async def test_no_more_than_the_maximum_run(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances_per_version=1)
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version, most=2)
    waiting = [await desk.submit(deployment) for _ in range(4)]
    await bench.runtime.until(ready=1)
    await bench.advance(10)
    await bench.runtime.until(ready=2)
    await bench.advance(60)
    assert len(bench.runtime.specs) == 2
    for _ in range(4):
        for instance in bench.runtime.alive:
            for run in list(instance.runs.values()):
                run.go.set()
        await settle(100)
    for id in waiting:
        assert (await bench.end(id)).phase is Phase.SUCCEEDED


async def test_a_release_takes_over_when_it_is_ready_and_the_former_one_drains(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    desk, old, new = Desk(bench), await bench.version(), await bench.version()
    deployment = await desk.create(old, least=1)
    await bench.runtime.until(ready=1)
    running = await desk.submit(deployment)
    await bench.until(running, Kind.STARTED)
    bench.runtime.boots.clear()
    changed = await desk.update(deployment, version=new.id)
    await bench.runtime.until(boots=2)
    found = await desk.now(changed)
    assert (found.current.state, found.route.version) == (ReleaseState.ROLLING, old.id)
    bench.runtime.boots.set()
    await bench.runtime.until(ready=2)
    found = await desk.now(changed)
    assert (found.current.state, found.route.version) == (ReleaseState.LIVE, new.id)
    second = await desk.submit(changed)
    await bench.until(second, Kind.STARTED)
    await bench.advance(60)
    assert sorted(desk.versions) == sorted([old.id, new.id]), "the old one still runs a prediction"
    for instance in bench.runtime.alive:
        for run in list(instance.runs.values()):
            run.go.set()
    assert (await bench.end(running)).version == old.id
    assert (await bench.end(second)).version == new.id
    await bench.advance(10)
    assert desk.versions == [new.id]


async def test_what_waits_for_a_former_release_is_run_by_it(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    desk, old, new = Desk(bench), await bench.version(), await bench.version()
    deployment = await desk.create(old, least=1, most=1)
    await bench.runtime.until(ready=1)
    submitted = [await desk.submit(deployment) for _ in range(2)]
    await bench.until(submitted[0], Kind.STARTED)
    changed = await desk.update(deployment, version=new.id)
    await bench.runtime.until(ready=2)
    assert (await desk.now(changed)).route.version == new.id
    for id in submitted:
        await bench.until(id, Kind.STARTED)
        for instance in bench.runtime.alive:
            for run in list(instance.runs.values()):
                run.go.set()
        ended = await bench.end(id)
        assert (ended.phase, ended.version) == (Phase.SUCCEEDED, old.id)


async def test_a_release_whose_setup_fails_takes_no_traffic_and_says_so(started: Start) -> None:
    bench = await started()
    desk, old, new = Desk(bench), await bench.version(), await bench.version()
    deployment = await desk.create(old, least=1)
    await bench.runtime.until(ready=1)
    bench.runtime.fail_setup = "no such file: weights.bin"
    changed = await desk.update(deployment, version=new.id)
    await bench.runtime.until(boots=3)
    await settle(100)
    found = await desk.now(changed)
    assert (found.current.state, found.current.because) == (ReleaseState.FAILED, "no such file: weights.bin")
    assert found.route.number == 1
    await bench.advance(600)
    assert len(bench.runtime.specs) == 3, "it is given up"
    assert (await desk.run(changed)).version == old.id
    bench.runtime.fail_setup = None
    again = await desk.update(changed, version=new.id)
    await bench.runtime.until(ready=2)
    assert (await desk.now(again)).route.number == 3
    assert (await desk.run(again)).version == new.id


async def test_the_way_back_is_short_while_the_former_release_is_still_there(started: Start) -> None:
    bench = await started()
    desk, old, new = Desk(bench), await bench.version(), await bench.version()
    deployment = await desk.create(old, least=1)
    await bench.runtime.until(ready=1)
    changed = await desk.update(deployment, version=new.id)
    await bench.runtime.until(ready=2)
    back = await desk.update(changed, version=old.id)
    found = await desk.now(back)
    assert (found.current.state, found.route.number, found.route.version) == (ReleaseState.LIVE, 3, old.id)
    await bench.advance(10)
    assert (desk.versions, len(bench.runtime.specs)) == ([old.id], 2)


async def test_a_release_without_room_says_so_and_rolls_out_when_there_is_some(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(hold), max_instances=2)
    desk, old, new, other = Desk(bench), *[await bench.version(name) for name in ("a", "a", "b")]
    deployment = await desk.create(old, least=1)
    await bench.runtime.until(ready=1)
    rival = await bench.submit(other)
    await bench.until(rival, Kind.STARTED)
    changed = await desk.update(deployment, version=new.id)
    found = await desk.now(changed)
    assert found.current.state is ReleaseState.ROLLING
    assert found.current.because == "it waits for room: all 2 instances that this server may run are busy"
    assert found.route.number == 1
    bench.runtime.instances[1].runs[rival].go.set()
    await bench.end(rival)
    await bench.runtime.until(ready=3)
    found = await desk.now(changed)
    assert (found.current.state, found.route.version) == (ReleaseState.LIVE, new.id)


async def test_bounds_change_without_a_boot(started: Start) -> None:
    bench = await started()
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version, least=1, most=1)
    await bench.runtime.until(ready=1)
    changed = await desk.update(deployment, min_instances=2, max_instances=4)
    await bench.runtime.until(ready=2)
    found = await desk.now(changed)
    assert (found.current.number, found.current.state, len(desk.versions)) == (2, ReleaseState.LIVE, 2)
    fewer = await desk.update(changed, min_instances=1, max_instances=1)
    await desk.now(fewer)
    await settle()
    assert len(desk.versions) == 1


async def test_a_disabled_deployment_ends_what_waits_and_runs(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version, least=1, most=1)
    await bench.runtime.until(ready=1)
    running, waiting = await desk.submit(deployment), await desk.submit(deployment)
    await bench.until(running, Kind.STARTED)
    await desk.update(deployment, min_instances=0, max_instances=0)
    for id in (running, waiting):
        ended = await bench.end(id)
        assert (ended.phase, ended.reason) == (Phase.CANCELED, "its deployment is disabled")
    await bench.advance(10)
    assert desk.versions == []


async def test_a_prediction_may_come_before_the_release_that_enables_it(started: Start) -> None:
    """A lane that was disabled lives while what ran in it ends, and what is stored is read later than it is sent."""
    bench = await started(runtime=FakeRuntime(deaf))
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version, least=1, most=1)
    await bench.runtime.until(ready=1)
    running = await desk.submit(deployment)
    await bench.until(running, Kind.STARTED)
    disabled = await desk.update(deployment, min_instances=0, max_instances=0)
    disabled = await desk.now(disabled)
    bench.runtime.model = echo
    enabled = await desk.release(disabled, max_instances=1)
    late = await desk.submit(deployment, stale=True)
    assert (await bench.end(late)).phase is Phase.CANCELED, "its release was disabled"
    early = await desk.submit(enabled, stale=True)
    desk.tell(enabled)
    await desk.now(enabled)
    await bench.advance(bench.options.cancel_grace)
    assert (await bench.end(running)).phase is Phase.CANCELED
    assert (await bench.end(early)).phase is Phase.SUCCEEDED


async def test_a_late_end_of_a_release_spares_what_came_after_it(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await started(runtime=FakeRuntime(hold))
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version, least=2, most=2)
    await bench.runtime.until(ready=2)
    before = await desk.submit(deployment)
    await bench.until(before, Kind.STARTED)
    disabled = await desk.release(await desk.now(deployment), min_instances=0, max_instances=0)
    store, read, follow = bench.store.deployments, asyncio.Event(), asyncio.Event()
    by_id = store.by_id

    async def slow(id: str) -> Deployment | None:
        found = await by_id(id)
        read.set()
        await follow.wait()
        return found

    monkeypatch.setattr(store, "by_id", slow)
    desk.tell(disabled)
    await read.wait()
    enabled = await desk.release(disabled, max_instances=2)
    after = await desk.submit(enabled, stale=True)
    await bench.until(after, Kind.STARTED)
    follow.set()
    ended = await bench.end(before)
    assert (ended.phase, ended.reason) == (Phase.CANCELED, "its deployment is disabled")
    desk.tell(enabled)
    await desk.now(enabled)
    for instance in bench.runtime.alive:
        for run in list(instance.runs.values()):
            run.go.set()
    assert (await bench.end(after)).phase is Phase.SUCCEEDED


async def test_a_deleted_deployment_leaves_nothing(started: Start) -> None:
    bench = await started()
    desk, version = Desk(bench), await bench.version()
    deployment = await desk.create(version, least=1)
    await bench.runtime.until(ready=1)
    await desk.delete(deployment)
    await settle()
    await bench.engine._rollouts._tasks.join()
    await bench.advance(10)
    assert desk.versions == []
    assert bench.engine._planner.pools == {}


async def test_a_rollout_goes_on_after_a_restart(bench: Any) -> None:
    first = bench()
    await first.engine.start()
    desk, old, new = Desk(first), await first.version(), await first.version()
    deployment = await desk.create(old, least=1)
    await first.runtime.until(ready=1)
    first.runtime.boots.clear()
    changed = await desk.update(deployment, version=new.id)
    await first.runtime.until(boots=2)
    await first.engine.stop()
    async with bench(clock=first.clock) as second:
        desk = Desk(second)
        await second.runtime.until(ready=2)
        found = await desk.now(changed)
        assert (found.current.state, found.route.version) == (ReleaseState.LIVE, new.id)
        assert (await desk.run(changed)).version == new.id


async def test_predictions_of_a_deployment_survive_a_restart(bench: Any) -> None:
    first = bench(runtime=FakeRuntime(hold))
    await first.engine.start()
    desk, version = Desk(first), await first.version()
    deployment = await desk.create(version, most=1)
    gone = await desk.create(version, name="gone")
    submitted = [await desk.submit(deployment) for _ in range(3)]
    orphan = await desk.submit(gone)
    await first.until(submitted[0], Kind.STARTED)
    await first.engine.stop()
    await first.store.deployments.delete(gone.id)
    async with bench(clock=first.clock) as second:
        for id in submitted:
            assert (await second.end(id)).phase is Phase.SUCCEEDED
        assert (await second.end(orphan)).phase is Phase.CANCELED
        assert all(spec.version_id == version.id for spec in second.runtime.specs)
        assert len(second.runtime.specs) == 1


async def test_a_late_prediction_keeps_nothing_running(started: Start) -> None:
    bench = await started(idle_timeout=60.0)
    desk, old, new = Desk(bench), await bench.version(), await bench.version()
    deployment = await desk.create(old, least=1)
    await bench.runtime.until(ready=1)
    before = await desk.now(deployment)
    changed = await desk.update(deployment, version=new.id)
    await bench.runtime.until(ready=2)
    await desk.now(changed)
    await bench.advance(10)
    assert desk.versions == [new.id]
    late = await desk.submit(before, stale=True)
    assert (await bench.end(late)).version == old.id
    await bench.advance(70)
    assert desk.versions == [new.id]


async def test_nobody_elses_prediction_gets_the_room_of_a_kept_instance(started: Start) -> None:
    bench = await started(max_instances=2)
    desk, version, other, third = Desk(bench), *[await bench.version(name) for name in ("a", "b", "c")]
    await desk.create(version, least=1)
    await bench.runtime.until(ready=1)
    for each in (other, third, other):
        assert (await bench.run(each)).phase is Phase.SUCCEEDED
        assert version.id in desk.versions
