"""What an instance takes is measured as it is, and what it may take is enforced: by cgroups and without."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hearth import ids
from hearth.cog.build import Environments
from hearth.domain.model import Recipe
from hearth.errors import InstanceLost, SetupFailed, Shortage
from hearth.runtime import limits
from hearth.runtime.base import BuildRequest, Instance, InstanceSpec, Job
from hearth.runtime.build import CogBuilder
from hearth.runtime.cgroups import Cgroups
from hearth.runtime.limits import WATCH, Enforcer, InstanceLimits
from hearth.runtime.process import ProcessRuntime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MB = 1024 * 1024
MODEL = Path(__file__).parents[2] / "models" / "hungry"
CACHE = Path(os.environ.get("HEARTH_TEST_CACHE") or Path.home() / ".cache" / "hearth-tests")

Start = Callable[..., "asyncio.Future[Instance]"]


class Starter:
    """Starts `hungry` in runtimes with different limits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environments = Environments(CACHE / "environments", environ=os.environ)
        self._runtimes: list[ProcessRuntime] = []
        self._instances: list[Instance] = []

    async def __call__(self, limits: InstanceLimits, *, groups: bool = True, **variables: str) -> Instance:
        runtime = ProcessRuntime(
            self._folder / f"runtime{len(self._runtimes)}", self._environments, environ=os.environ, limits=limits
        )
        if not groups:
            runtime._enforcer = Enforcer(limits, None)
        self._runtimes.append(runtime)
        built = await CogBuilder(self._environments, self._folder / "scratch").build(
            BuildRequest(id=ids.random32(), folder=MODEL), lambda _: None
        )
        spec = InstanceSpec(
            id=ids.random32(),
            version_id="0" * 64,
            model="tests/hungry",
            folder=MODEL,
            recipe=Recipe(source=(), environment=built.environment, predict=built.predict),
            schema=built.openapi_schema,
            variables=variables,
        )
        instance = await runtime.start(spec, lambda _: None)
        self._instances.append(instance)
        return instance

    async def close(self) -> None:
        for instance in self._instances:
            await instance.stop(0)
        for runtime in self._runtimes:
            await runtime.close()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    await starter.close()


def groups() -> bool:
    found = Cgroups.find("probe", take=False)
    return found is not None and found.limits_memory


both = pytest.mark.parametrize(
    "grouped",
    [
        pytest.param(True, marks=pytest.mark.skipif(not groups(), reason="no cgroups here"), id="cgroup"),
        pytest.param(False, id="watched"),
    ],
)


async def take(instance: Instance, megabytes: int, **input: float) -> None:
    outcome = await instance.run(Job(id=ids.sortable(), input={"megabytes": megabytes, **input}), lambda _: None)
    assert outcome.status == "succeeded", outcome.error


async def test_the_footprint_is_what_was_taken(start: Starter) -> None:
    plain = await (await start(InstanceLimits())).usage()
    instance = await start(InstanceLimits(), SETUP_MB="200", KEPT_MB="50")
    setup = await instance.usage()
    # The spike of setup is over, and counts all the same.
    assert setup.memory - plain.memory == pytest.approx(50 * MB, abs=15 * MB)
    assert setup.peak - plain.memory == pytest.approx(200 * MB, abs=15 * MB)
    await take(instance, 120)
    run = await instance.usage()
    assert run.memory - plain.memory == pytest.approx(50 * MB, abs=15 * MB)
    assert run.peak - plain.memory == pytest.approx(170 * MB, abs=20 * MB)
    idle = await instance.usage()
    assert idle.peak - plain.memory == pytest.approx(50 * MB, abs=15 * MB), "peaks are told once"


@both
async def test_a_run_that_takes_too_much_ends_its_instance(start: Starter, grouped: bool) -> None:
    limit = 150 * MB
    instance = await start(InstanceLimits(memory=limit), groups=grouped)
    await take(instance, 10)
    with pytest.raises(InstanceLost) as lost:
        # Slower than the watch looks: what it has taken by then is near its limit.
        await take(instance, 400, seconds=10, step=4)
    assert lost.value.shortage is not None
    assert lost.value.shortage.had == pytest.approx(limit, rel=1.0)
    assert not lost.value.shortage.gpu
    assert "ran out of memory" in lost.value.message


@both
async def test_a_setup_that_takes_too_much_fails_for_that(start: Starter, grouped: bool) -> None:
    with pytest.raises(SetupFailed) as failed:
        await start(InstanceLimits(memory=100 * MB), groups=grouped, KEPT_MB="3000")
    assert isinstance(failed.value.shortage, Shortage)


async def killed(instance: Instance, before: Callable[[], object] = lambda: None) -> InstanceLost:
    """While it works, a second after something else happened."""
    pid = (await instance.run(Job(id=ids.sortable(), input={}), lambda _: None)).output
    running = asyncio.ensure_future(take(instance, 1, seconds=30))
    before()
    await asyncio.sleep(4 * WATCH)
    os.kill(pid, 9)
    with pytest.raises(InstanceLost) as lost:
        await running
    return lost.value


@both
async def test_another_death_is_no_shortage(start: Starter, grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = [7]
    monkeypatch.setattr(limits, "_machine_kills", lambda: sum(kills))
    instance = await start(InstanceLimits(memory=1000 * MB), groups=grouped)
    assert (await killed(instance, before=lambda: kills.append(1))).shortage is None


async def test_a_machine_without_memory_is_a_shortage(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    kills = [7]
    monkeypatch.setattr(limits, "_machine_kills", lambda: sum(kills))
    instance = await start(InstanceLimits(memory=1000 * MB), groups=False)
    asyncio.get_running_loop().call_later(4 * WATCH, kills.append, 1)
    assert (await killed(instance)).shortage == Shortage()


async def test_cpus_are_bound_where_there_are_no_groups(start: Starter) -> None:
    instance = await start(InstanceLimits(cpus=0.5), groups=False)
    pid = (await instance.run(Job(id=ids.sortable(), input={}), lambda _: None)).output
    assert len(os.sched_getaffinity(pid)) == 1


@pytest.mark.skipif(not groups(), reason="no cgroups here")
async def test_groups_are_gone_with_their_instances(start: Starter) -> None:
    instance = await start(InstanceLimits(memory=500 * MB, cpus=1.5))
    pid = (await instance.run(Job(id=ids.sortable(), input={}), lambda _: None)).output
    paths = await asyncio.to_thread(Path(f"/proc/{pid}/cgroup").read_text)
    assert instance.id in paths
    await instance.stop(0)
    confinement = instance._confinement  # type: ignore[attr-defined]
    assert confinement._cgroup.folders
    assert not any(folder.exists() for folder in confinement._cgroup.folders)
