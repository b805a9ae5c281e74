"""Several predictions in one run: grouped, split, and each with an end of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from hearth import ids
from hearth.domain.events import Kind
from hearth.domain.lane import Lane
from hearth.domain.model import Batching, Recipe, Version
from hearth.domain.prediction import Phase, Prediction
from hearth.engine.batches import split
from hearth.engine.pool import Pool
from hearth.runtime.base import Began, Logged, Outcome
from hearth.testing.clock import settle
from hearth.testing.engine import FILE, SECRET, Bench, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, crashes, deaf

TEXT = {"type": "string"}


async def upper(run: FakeRun) -> Outcome:
    """Waits for the test, then answers each text."""
    run.emit(Began())
    run.emit(Logged(f"{len(run.job.input['text'])} texts\n"))
    await asyncio.wait(
        [asyncio.ensure_future(run.go.wait()), asyncio.ensure_future(run.cancel.wait())],
        return_when=asyncio.FIRST_COMPLETED,
    )
    if run.cancel.is_set():
        return Outcome(status="canceled")
    return Outcome(status="succeeded", output=[text.upper() for text in run.job.input["text"]])


async def quick(run: FakeRun) -> Outcome:
    run.go.set()
    return await upper(run)


async def batched(
    bench: Bench, *, size: int = 4, wait: float = 0.05, document: dict[str, Any] | None = None, **more: Any
) -> Version:
    document = document or schema(text=TEXT, upper=TEXT)
    version = await bench.version(f"m{ids.random32()}", document)
    recipe = replace(version.recipe, batching=Batching(inputs=("text",), max_size=size, max_wait=wait))
    return replace(version, recipe=recipe)


async def warm(bench: Bench, version: Version) -> None:
    """An instance is ready and idle."""
    id = await bench.submit(version, {"text": "first"})
    await bench.runtime.until(ready=1)
    await bench.advance(version.recipe.batching.max_wait if version.recipe.batching else 0)
    for run in list(bench.runtime.instances[0].runs.values()):
        run.go.set()
    await bench.end(id)


async def ends(bench: Bench, ids: list[str]) -> list[Prediction]:
    return [await bench.end(id) for id in ids]


async def test_those_who_came_while_it_booted_run_together(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(quick))
    bench.runtime.boots.clear()
    version = await batched(bench)
    ids = [await bench.submit(version, {"text": text}) for text in ("a", "b", "c")]
    await bench.runtime.until(boots=1)
    await bench.advance(1)
    bench.runtime.boots.set()
    found = await ends(bench, ids)
    assert [p.output for p in found] == ["A", "B", "C"]
    assert {p.logs for p in found} == {"3 texts\n"}
    assert [p.metrics["batch_size"] for p in found] == [3, 3, 3]
    assert len(bench.runtime.instances) == 1
    for id in ids:
        assert (await bench.kinds(id))[-3:] == [Kind.STARTED, Kind.LOG, Kind.SUCCEEDED]


async def test_the_first_waits_for_others_but_not_for_long(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(quick))
    version = await batched(bench, wait=0.05)
    await warm(bench, version)
    first = await bench.submit(version, {"text": "a"})
    await bench.advance(0.04)
    assert (feed := bench.bus.feed(first)) is not None
    assert feed.snapshot().reason == "first in line; it waits up to 0.05 s for others to run with"
    second = await bench.submit(version, {"text": "b"})
    await bench.advance(0.02)
    assert [p.metrics["batch_size"] for p in await ends(bench, [first, second])] == [2, 2]


async def test_a_whole_group_runs_at_once(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(quick))
    version = await batched(bench, size=2)
    await warm(bench, version)
    ids = [await bench.submit(version, {"text": text}) for text in "ab"]
    assert [p.output for p in await ends(bench, ids)] == ["A", "B"]  # no time has passed


async def test_under_load_a_group_takes_the_slot_the_moment_it_is_free(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(upper))
    version = await batched(bench, size=4)
    await warm(bench, version)
    running = await bench.submit(version, {"text": "a"})
    await bench.advance(0.05)
    await bench.until(running, Kind.STARTED)
    waiting = [await bench.submit(version, {"text": text}) for text in "bcdefg"]
    await bench.advance(1)
    (instance,) = bench.runtime.instances
    sizes = []
    while instance.runs:
        (run,) = instance.runs.values()
        sizes.append(len(run.job.input["text"]))
        run.go.set()
        await settle()
    assert sizes == [1, 4, 2]
    assert [p.output for p in await ends(bench, waiting)] == list("BCDEFG")


async def test_only_equal_inputs_of_one_account_run_together(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(quick))
    bench.runtime.boots.clear()
    version = await batched(bench, size=8)
    ids = [
        await bench.submit(version, {"text": "a", "upper": "yes"}),
        await bench.submit(version, {"text": "b", "upper": "no"}),
        await bench.submit(version, {"text": "c", "upper": "yes", "unknown": "to the model"}),
        await bench.submit(version, {"text": "d", "upper": "yes"}, account=await bench.account("grace")),
    ]
    await bench.advance(1)
    bench.runtime.boots.set()
    assert [p.metrics["batch_size"] for p in await ends(bench, ids)] == [2, 1, 2, 1]


async def test_secrets_are_not_shared(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(quick))
    bench.runtime.boots.clear()
    version = await batched(bench, document=schema(text=TEXT, key=SECRET))
    ids = [await bench.submit(version, {"text": text}, secrets={"key": "much too secret"}) for text in "ab"]
    await bench.advance(1)
    bench.runtime.boots.set()
    assert [p.metrics["batch_size"] for p in await ends(bench, ids)] == [1, 1]


async def run_of(bench: Bench, version: Version, texts: str) -> tuple[list[str], FakeRun]:
    """Predictions that run together, and their run."""
    ids = [await bench.submit(version, {"text": text}) for text in texts]
    await bench.advance(1)
    for id in ids:
        await bench.until(id, Kind.STARTED)
    (run,) = bench.runtime.instances[-1].runs.values()
    return ids, run


async def test_one_is_canceled_and_the_others_go_on(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(upper))
    version = await batched(bench)
    await warm(bench, version)
    (a, b), run = await run_of(bench, version, "ab")
    await bench.cancel(a)
    assert (await bench.end(a)).phase is Phase.CANCELED
    assert not run.cancel.is_set()
    run.go.set()
    assert (await bench.end(b)).output == "B"


async def test_when_all_are_canceled_the_run_is(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(upper))
    version = await batched(bench)
    await warm(bench, version)
    ids, run = await run_of(bench, version, "ab")
    for id in ids:
        await bench.cancel(id)
    assert {p.phase for p in await ends(bench, ids)} == {Phase.CANCELED}
    assert run.cancel.is_set()
    assert not bench.runtime.instances[0].stopped


async def test_a_deaf_group_takes_its_instance_with_it(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(deaf), cancel_grace=10)
    bench.runtime.boots.clear()
    version = await batched(bench, wait=0.0)
    ids = [await bench.submit(version, {"text": text}) for text in "ab"]
    bench.runtime.boots.set()
    for id in ids:
        await bench.until(id, Kind.STARTED)
    for id in ids:
        await bench.cancel(id)
    await settle()
    await bench.advance(11)
    assert {p.phase for p in await ends(bench, ids)} == {Phase.CANCELED}
    assert bench.runtime.instances[0].stopped


async def test_one_is_canceled_while_it_waits_for_others(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(quick))
    version = await batched(bench)
    await warm(bench, version)
    a, b = [await bench.submit(version, {"text": text}) for text in "ab"]
    await bench.cancel(a)
    assert (await bench.end(a)).phase is Phase.CANCELED
    await bench.advance(0.06)
    assert (await bench.end(b)).metrics["batch_size"] == 1


async def test_a_model_error_is_everybodys(started: Any) -> None:
    async def broken(run: FakeRun) -> Outcome:
        run.emit(Began())
        return Outcome(status="failed", error="ValueError: bad text")

    bench = await started(runtime=FakeRuntime(broken))
    bench.runtime.boots.clear()
    version = await batched(bench)
    ids = [await bench.submit(version, {"text": text}) for text in "ab"]
    await bench.advance(1)
    bench.runtime.boots.set()
    found = await ends(bench, ids)
    assert [(p.phase, p.error) for p in found] == [(Phase.FAILED, "ValueError: bad text")] * 2


async def test_a_crash_returns_each_once_and_then_they_run_alone(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(crashes()))
    bench.runtime.boots.clear()
    version = await batched(bench)
    ids = [await bench.submit(version, {"text": text}) for text in "ab"]
    await bench.runtime.until(boots=1)
    bench.runtime.boots.set()
    await bench.runtime.until(ready=1)
    bench.runtime.model = quick
    await bench.advance(10)
    found = await ends(bench, ids)
    assert [(p.output, p.attempt, p.metrics["batch_size"]) for p in found] == [("A", 2, 1), ("B", 2, 1)]


async def test_files_that_come_late_run_after_the_others_and_all_are_removed(started: Any) -> None:
    async def count(run: FakeRun) -> Outcome:
        run.emit(Began())
        return Outcome(status="succeeded", output=[str(len(run.job.input["image"]))] * len(run.job.input["image"]))

    bench = await started(runtime=FakeRuntime(count))
    bench.runtime.boots.clear()
    version = await batched(bench, document=schema(image=FILE))
    recipe = replace(version.recipe, batching=Batching(inputs=("image",), max_wait=0.0))
    version = replace(version, recipe=recipe)
    bench.fetcher.contents = {"https://example.com/a.png": b"a", "https://example.com/b.png": b"b"}
    ids = [await bench.submit(version, {"image": f"https://example.com/{name}.png"}) for name in ("a", "b", "missing")]
    await bench.runtime.until(boots=1)
    bench.runtime.boots.set()
    found = await ends(bench, ids)
    assert [p.output for p in found] == ["2", "2", None]
    assert found[2].error is not None
    assert "404" in found[2].error
    await bench.run(await bench.version("other"))
    assert not list(bench.options.folder.glob("inputs/*"))


async def test_the_slot_is_shown_with_all_who_have_it(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(upper))
    version = await batched(bench)
    await warm(bench, version)
    ids, run = await run_of(bench, version, "abc")
    await asyncio.sleep(bench.options.show_interval * 2)
    (view,) = bench.bus.instances()
    assert (view.busy, view.slots, sorted(view.predictions), view.batch_size) == (1, 1, sorted(ids), 2.0)
    run.go.set()
    await ends(bench, ids)


def test_a_list_of_the_wrong_length_is_an_error() -> None:
    (part, _) = split(Outcome(status="succeeded", output=["one"]), 2)
    assert (part.status, part.error) == (
        "failed",
        "The model was given 2 entries and returned 1 entries; it must return one for each.",
    )
    (part,) = split(Outcome(status="succeeded", output="text"), 1)
    assert part.status == "failed"


def test_an_entry_may_be_an_error_of_its_own() -> None:
    good, bad = split(Outcome(status="succeeded", output=["one", {"hearth_error": "no face found"}]), 2)
    assert (good.status, good.output) == ("succeeded", "one")
    assert (bad.status, bad.error, bad.metrics) == ("failed", "no face found", {"batch_size": 2})


async def test_a_deployment_may_group_otherwise(started: Any) -> None:
    bench = await started(runtime=FakeRuntime(quick))
    bench.runtime.boots.clear()
    version = await batched(bench, size=4)
    lane = Lane(key="d/v/cpu", deployment="ada/d", deployment_id="d", maximum=1, batch_size=2, batch_wait=0.0)
    made = [await bench.submit(version, {"text": text}, lane=lane) for text in "abc"]
    await bench.runtime.until(boots=1)
    bench.runtime.boots.set()
    assert [p.metrics["batch_size"] for p in await ends(bench, made)] == [2, 2, 1]


def test_new_bounds_of_a_lane_count_at_once() -> None:
    version = Version(
        id="f" * 64, model_id="m", model="ada/m", created_at=0, cog_version="", openapi_schema=schema(text=TEXT),
        recipe=Recipe(source=(), environment="", batching=Batching(inputs=("text",), max_size=4, max_wait=1.0)),
    )  # fmt: skip
    pool = Pool(version, Lane(key="v"))
    assert pool.gathering is not None
    pool.lane = Lane(key="v", batch_size=9)
    assert (pool.gathering.max_size, pool.gathering.max_wait) == (9, 1.0)
    assert Pool(version, Lane(key="train/v", train=True)).gathering is None
