"""Instances share a machine by what they were seen to take: nothing starts that would not fit, and whoever waits is
told what for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hearth.domain.footprint import Footprint
from hearth.domain.lane import of_version
from hearth.domain.model import Version
from hearth.domain.prediction import Phase
from hearth.errors import Shortage
from hearth.policy.placement import Gpu, Machine
from hearth.runtime.base import Began, Outcome, Zygote
from hearth.testing.clock import settle
from hearth.testing.engine import Bench
from hearth.testing.runtime import FakeRun, FakeRuntime, crashes, echo, hold

GB = 10**9
TEN = {"machine": Machine(instances=50, memory=10 * GB), "max_instances": 50, "unknown_memory": GB}


def models(bench: Bench) -> list[str]:
    """Those with an instance."""
    return sorted(instance.spec.model.removeprefix("ada/") for instance in bench.runtime.alive)


def why(bench: Bench, id: str) -> str:
    """What is said of a prediction that waits."""
    feed = bench.bus.feed(id)
    assert feed is not None
    return feed.snapshot().reason


async def known(bench: Bench, name: str, gigabytes: float) -> Version:
    """A version that takes so much, and was seen to."""
    version = await bench.version(name)
    bench.runtime.memory[version.model] = int(gigabytes * GB)
    footprint = Footprint(version_id=version.id, model=version.model, at=1.0, setup=int(gigabytes * GB))
    await bench.store.footprints.put(footprint)
    return version


async def test_idle_ones_make_room_for_what_is_wanted(bench: Any) -> None:
    made: Bench = bench(**TEN)
    large, small, other = await known(made, "large", 6), await known(made, "small", 2), await known(made, "other", 7)
    async with made:
        for version in (large, small):
            await made.run(version)
        assert models(made) == ["large", "small"]
        assert (await made.run(other)).phase is Phase.SUCCEEDED
        assert models(made) == ["other", "small"], "one was enough, and the small one of no use"


async def test_zygotes_make_room_before_any_instance_does(bench: Any) -> None:
    made: Bench = bench(**TEN)
    idle, other = await known(made, "idle", 4), await known(made, "other", 5)

    def zygote(id: str, environment: str) -> Zygote:
        return Zygote(id=id, environment=environment, pid=1, memory=GB, forks=0, idle=0.0)

    async with made:
        await made.run(idle)
        made.runtime.warm = [zygote("own", other.recipe.environment), zygote("another", "f" * 64)]
        await made.advance(60)
        await made.run(other)
        assert models(made) == ["idle", "other"]
        assert [z.id for z in made.runtime.warm] == ["own"]


async def test_zygotes_that_are_in_nobodys_way_stay(bench: Any) -> None:
    made: Bench = bench(**TEN)
    one, large = await known(made, "one", 4), await known(made, "large", 9)
    async with made:
        made.runtime.warm = [Zygote(id="z", environment="f" * 64, pid=1, memory=GB, forks=0, idle=0.0)]
        await made.run(one)
        assert made.runtime.warm
        await made.advance(60)
        await made.run(large)
        assert models(made) == ["large"], "the idle one had to go, and that was enough"
        assert made.runtime.warm


async def test_who_is_busy_stays_and_who_waits_knows_for_what(bench: Any) -> None:
    made: Bench = bench(runtime=FakeRuntime(hold), **TEN)
    large, other = await known(made, "large", 6), await known(made, "other", 7)
    async with made:
        running = await made.submit(large)
        await made.given(running)
        waiting = await made.submit(other)
        await settle()
        assert why(made, waiting).endswith(
            "it needs about 7 GB of memory, 3 GB more than can be freed: ada/large is busy with 6 GB"
        )
        made.runtime.instances[0].runs[running].go.set()
        await made.given(waiting)
        assert models(made) == ["other"]


async def test_nobody_is_evicted_in_vain(bench: Any) -> None:
    made: Bench = bench(runtime=FakeRuntime(hold), **TEN)
    busy, idle, other = await known(made, "busy", 6), await known(made, "idle", 2), await known(made, "other", 7)
    async with made:
        made.runtime.model = echo
        await made.run(idle)
        made.runtime.model = hold
        await made.given(await made.submit(busy))
        await made.submit(other)
        await settle()
        assert models(made) == ["busy", "idle"]


async def test_what_never_fits_fails_at_once(bench: Any) -> None:
    made: Bench = bench(**TEN)
    version = await known(made, "huge", 30)
    async with made:
        prediction = await made.run(version)
        assert (prediction.phase, prediction.error) == (
            Phase.FAILED,
            "ada/huge needs about 30 GB of memory; this server has 10 GB for its models.",
        )
        assert made.runtime.specs == []


async def test_what_is_measured_is_kept_for_the_next_start(bench: Any) -> None:
    made: Bench = bench(**TEN)
    version = await made.version()
    made.runtime.memory[version.model] = 4 * GB
    async with made:
        await made.run(version)
        (view,) = [host.view(0.0) for host in made.engine._supervisor.hosts.values()]
        assert (view.memory, view.peak) == (4 * GB, 4 * GB)
        made.runtime.instances[0].peak = 5 * GB
        await made.run(version)
        await made.advance(made.options.usage_interval)
        await settle()
    (footprint,) = await made.store.footprints.all()
    assert (footprint.setup, footprint.run) == (4 * GB, 5 * GB)
    # The next version of the model starts from there.
    later = await made.version()
    again: Bench = bench(runtime=FakeRuntime(hold), **TEN)
    async with again:
        need = again.engine._packing.need(later, of_version(later.id))
        assert (need.memory, need.measured) == (5 * GB, False)


async def test_memory_that_ran_out_is_tried_again_with_more(bench: Any) -> None:
    made: Bench = bench(runtime=FakeRuntime(crashes("killed", shortage=Shortage(4 * GB))), **TEN)
    version, idle = await known(made, "model", 3), await known(made, "idle", 5)
    async with made:
        made.runtime.model = echo
        await made.run(idle)
        made.runtime.model = crashes("killed", shortage=Shortage(4 * GB))
        prediction = await made.run(version)
        assert prediction.phase is Phase.FAILED
        assert prediction.attempt == 2
        assert prediction.error.startswith(
            "The instance that ran this prediction died: it ran out of memory: it had 4 GB, and needs more"
        )
        assert len(made.runtime.specs) == 3
        assert models(made) == [], "the second try needed 6 GB, so the idle one had to go"
    footprints = {f.version_id: f for f in await made.store.footprints.all()}
    assert footprints[version.id].run == 6 * GB


async def test_a_model_that_says_that_memory_ran_out_has_the_last_word(started: Any) -> None:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        return Outcome(status="failed", error="OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB.")

    bench: Bench = await started(runtime=FakeRuntime(model), **TEN)
    prediction = await bench.run(await bench.version())
    assert prediction.attempt == 2
    assert prediction.error == (
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB. (it ran out of GPU memory)"
    )


async def test_a_setup_that_memory_ran_out_for_is_tried_again_once(started: Any) -> None:
    bench: Bench = await started(**TEN)
    version = await bench.version()
    bench.runtime.fail_setup, bench.runtime.shortage = "killed", Shortage(9 * GB + GB // 2)
    prediction = await bench.run(version)
    assert prediction.error.startswith("The model's setup failed: it ran out of memory: it had 9.5 GB, and needs more.")
    assert len(bench.runtime.specs) == 2
    # It had all that there is, twice: the next one is told so at once, until somebody resets it.
    prediction = await bench.run(version)
    assert prediction.error == "ada/model needs about 14 GB of memory; this server has 10 GB for its models."
    bench.engine._planner.reset(version.id)
    bench.runtime.fail_setup = None
    assert (await bench.run(version)).phase is Phase.SUCCEEDED


async def test_one_hungry_input_does_not_take_the_room_for_ever(started: Any) -> None:
    bench: Bench = await started(idle_timeout=10.0, **TEN)
    version = await bench.version()
    bench.runtime.memory[version.model] = 2 * GB
    lane = of_version(version.id)
    await bench.run(version)
    bench.runtime.instances[0].peak = 8 * GB
    await bench.run(version)
    for _ in range(4):
        await bench.advance(60)
        await settle()
        await bench.run(version)
    await bench.advance(60)
    await settle()
    assert 2 * GB <= bench.engine._packing.need(version, lane).memory < 3 * GB


GPUS = {
    "machine": Machine(
        instances=50, memory=100 * GB, gpus=tuple(Gpu(index=n, sku="gpu-h100", memory=80 * GB) for n in range(2))
    ),
    "gpu_names": ("0", "3"),
    "hardware": ("cpu", "gpu-h100", "gpu-h100-2x", "gpu-mine"),
    "max_instances": 50,
}


async def on(bench: Bench, version: Version, hardware: str) -> str:
    """A prediction on this hardware."""
    lane = of_version(version.id, hardware)
    submit = bench.bus.submit

    def with_lane(work: Any) -> None:
        submit(msgspec.structs.replace(work, lane=lane))

    bench.bus.submit = with_lane  # type: ignore[method-assign]
    try:
        return await bench.submit(version)
    finally:
        bench.bus.submit = submit  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("hardware", "seen"), [("cpu", ""), ("gpu-h100", "0"), ("gpu-h100-2x", "0,3"), ("gpu-mine", None)]
)
async def test_an_instance_sees_the_gpus_that_it_was_given(started: Any, hardware: str, seen: str | None) -> None:
    bench: Bench = await started(**GPUS)
    await bench.end(await on(bench, await bench.version(), hardware))
    (spec,) = bench.runtime.specs
    assert spec.variables.get("CUDA_VISIBLE_DEVICES") == seen


async def test_gpus_are_shared_by_what_was_measured(bench: Any) -> None:
    made: Bench = bench(runtime=FakeRuntime(hold), **GPUS)
    versions = [await made.version(name) for name in ("a", "b", "c", "d")]
    for version in versions:
        made.runtime.gpu_memory[version.model] = 45 * GB
    footprint = Footprint(
        version_id=versions[2].id, hardware="gpu-h100", model="ada/c", at=1.0, setup=GB, run=GB, gpu=30 * GB
    )
    await made.store.footprints.put(footprint)
    async with made:
        for version in versions[:3]:
            await made.given(await on(made, version, "gpu-h100"))
        # Unknown ones get a device of their own; what is known goes beside one that was measured meanwhile.
        assert [spec.variables["CUDA_VISIBLE_DEVICES"] for spec in made.runtime.specs] == ["0", "3", "0"]
        waiting = await on(made, versions[3], "gpu-h100")
        await settle()
        assert why(made, waiting).endswith(
            "all 2 GPUs are taken: ada/a is busy with 45 GB, ada/b is busy with 45 GB, ada/c is busy with 45 GB"
        )


async def test_a_gpu_that_is_not_there_is_said_at_once(started: Any) -> None:
    bench: Bench = await started(**TEN)
    prediction = await bench.end(await on(bench, await bench.version(), "gpu-t4"))
    assert prediction.error == "ada/model needs a gpu-t4; this server has none."


async def test_what_is_used_often_stays(bench: Any) -> None:
    made: Bench = bench(**TEN)
    often, seldom, other = await known(made, "often", 4), await known(made, "seldom", 4), await known(made, "other", 4)
    async with made:
        for _ in range(5):
            await made.run(often)
            await made.advance(20)
        await made.run(seldom)
        await made.advance(5)
        await made.run(other)
        assert models(made) == ["often", "other"], "it had rested longer, and is wanted more"
