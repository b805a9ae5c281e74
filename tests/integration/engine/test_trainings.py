"""Trainings: an instance of their own, one run, and a version that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hearth import ids
from hearth.bus.base import NewPrediction
from hearth.domain.events import Event, Kind
from hearth.domain.file import parse_reference
from hearth.domain.lane import of_trainings
from hearth.domain.model import Model, Version
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.engine.trainings import NO_WEIGHTS
from hearth.runtime.base import Began, Outcome
from hearth.store.base import Lease
from hearth.testing.clock import settle
from hearth.testing.engine import Bench, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, crashes, deaf, fails, hold

Start = Callable[..., Any]


async def base(bench: Bench) -> Version:
    """A version of `ada/model`, and the destination `ada/mine`."""
    version = await bench.version(document=trainable())
    account = await bench.account()
    if await bench.store.models.get("ada", "mine") is None:
        mine = Model(id=ids.sortable(), account_id=account.id, owner="ada", name="mine", created_at=bench.clock.now())
        await bench.store.models.create(mine)
    return version


def trainable() -> dict[str, Any]:
    document = schema()
    components = document["components"]["schemas"]
    components["TrainingInput"] = {"type": "object", "properties": {"steps": {"type": "integer"}}}
    components["TrainingOutput"] = {"type": "object", "properties": {"weights": {"type": "string", "format": "uri"}}}
    return document


async def submit(bench: Bench, version: Version) -> str:
    account = await bench.account()
    training = Prediction(
        id=ids.sortable(),
        account_id=account.id,
        model=version.model,
        version=version.id,
        kind=PredictionKind.TRAINING,
        destination="ada/mine",
        input={"steps": 3, "text": "not an input of the trainer"},
        created_at=bench.clock.now(),
        events=1,
    )
    await bench.store.predictions.create(
        training,
        [Event(0, Kind.QUEUED, training.created_at, {})],
        lease=Lease(bench.bus.owner or "", training.created_at + 30),
    )
    bench.bus.submit(NewPrediction(prediction=training, version=version, lane=of_trainings(version.id)))
    return training.id


def trains(folder: Path, weights: bytes = b"[1, 2]", *, bare: bool = False) -> Any:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        path = run.instance.write(folder / run.job.id / "weights.json", weights)
        return Outcome(status="succeeded", output=path if bare else {"weights": path})

    return model


@pytest.mark.parametrize("bare", [False, True])
async def test_it_makes_a_version_that_runs_with_its_weights(started: Start, tmp_path: Path, bare: bool) -> None:
    bench = await started(runtime=FakeRuntime(trains(tmp_path / "out", bare=bare)))
    version = await base(bench)
    ended = await bench.end(await submit(bench, version))
    assert ended.phase is Phase.SUCCEEDED, ended.error
    spec = bench.runtime.specs[0]
    assert (spec.train, spec.version_id) == (True, version.id)
    name, _, made = ended.output["version"].partition(":")
    assert name == "ada/mine"
    trained = await bench.store.versions.get(made)
    assert trained is not None
    assert trained.recipe == msgspec.structs.replace(version.recipe, weights=ended.output["weights"])
    model = await bench.store.models.get("ada", "mine")
    assert model is not None
    assert model.latest_version_id == made
    reference = parse_reference(ended.output["weights"])
    assert reference is not None
    file = await bench.store.files.get(reference[0])
    assert file is not None
    assert (file.expires_at, file.prediction_id) == (None, None)
    await bench.run(trained)
    weights = Path(str(bench.runtime.specs[-1].recipe.weights))
    assert weights.is_absolute()
    assert weights.name == "weights.json"
    assert await asyncio.to_thread(weights.read_bytes) == b"[1, 2]"


async def test_it_gets_its_own_inputs_only_and_its_instance_ends_with_it(started: Start, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    async def model(run: FakeRun) -> Outcome:
        seen.append(run.job.input)
        return await trains(tmp_path)(run)

    bench = await started(runtime=FakeRuntime(model))
    version = await base(bench)
    for _ in range(2):
        await bench.end(await submit(bench, version))
        await settle(100)
        assert bench.runtime.alive == []
    assert seen == [{"steps": 3}] * 2
    assert len(bench.runtime.instances) == 2


async def test_the_same_weights_are_the_same_version(started: Start, tmp_path: Path) -> None:
    bench = await started(runtime=FakeRuntime(trains(tmp_path)))
    version = await base(bench)
    first, second = [(await bench.end(await submit(bench, version))).output["version"] for _ in range(2)]
    bench.runtime.model = trains(tmp_path, b"[3]")
    assert first == second != (await bench.end(await submit(bench, version))).output["version"]


async def test_only_so_many_run_at_a_time_and_predictions_go_on(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(hold), trainings=1, max_instances=2)
    version = await base(bench)
    first, second = await submit(bench, version), await submit(bench, version)
    await bench.until(first, Kind.STARTED)
    await bench.advance(60)
    assert len(bench.runtime.alive) == 1
    feed = bench.bus.feed(second)
    assert feed is not None
    assert "another training is running" in feed.snapshot().reason
    prediction = await bench.submit(version)
    await bench.until(prediction, Kind.STARTED)
    await bench.advance(60)
    assert [i.spec.train for i in bench.runtime.alive] == [True, False], "nobody makes room for what must wait anyway"
    await bench.cancel(first)
    assert (await bench.end(first)).phase is Phase.CANCELED
    await bench.until(second, Kind.STARTED)
    await bench.cancel(second)
    await bench.end(second)


async def test_a_canceled_one_does_not_keep_its_instance_booting(started: Start) -> None:
    bench = await started()
    bench.runtime.boots.clear()
    id = await submit(bench, await base(bench))
    await bench.runtime.until(boots=1)
    await bench.cancel(id)
    assert (await bench.end(id)).phase is Phase.CANCELED
    await settle(100)
    assert bench.engine._supervisor.hosts == {}


@pytest.mark.parametrize("output", [None, "text", {"weights": None}, {"model": "x"}, []])
async def test_without_weights_it_fails_and_says_what_to_return(started: Start, output: Any) -> None:
    async def model(run: FakeRun) -> Outcome:
        return Outcome(status="succeeded", output=output)

    bench = await started(runtime=FakeRuntime(model))
    ended = await bench.end(await submit(bench, await base(bench)))
    assert (ended.phase, ended.error) == (Phase.FAILED, NO_WEIGHTS)


async def test_a_failed_one_makes_nothing(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(fails("the loss is not a number")))
    ended = await bench.end(await submit(bench, await base(bench)))
    assert (ended.phase, ended.error, ended.output) == (Phase.FAILED, "the loss is not a number", None)
    model = await bench.store.models.get("ada", "mine")
    assert model is not None
    assert model.latest_version_id is None


async def test_it_may_run_longer_than_a_prediction_but_not_for_ever(started: Start) -> None:
    bench = await started(runtime=FakeRuntime(deaf), run_timeout=10.0, training_timeout=100.0, cancel_grace=1.0)
    id = await submit(bench, await base(bench))
    await bench.until(id, Kind.STARTED)
    await bench.advance(50)
    assert bench.bus.feed(id) is not None
    await bench.advance(60)
    ended = await bench.end(id)
    assert ended.error is not None
    assert ended.error.startswith("The training ran longer than 100 s")


async def test_a_lost_instance_is_one_more_try(started: Start, tmp_path: Path) -> None:
    crash, train = crashes("killed"), trains(tmp_path)

    async def model(run: FakeRun) -> Outcome:
        return await (crash if len(bench.runtime.instances) == 1 else train)(run)

    bench = await started(runtime=FakeRuntime(model))
    ended = await bench.end(await submit(bench, await base(bench)))
    assert (ended.phase, ended.attempt) == (Phase.SUCCEEDED, 2)


async def test_it_runs_again_after_a_restart(bench: Any, tmp_path: Path) -> None:
    first = bench(runtime=FakeRuntime(hold))
    await first.engine.start()
    id = await submit(first, await base(first))
    await first.until(id, Kind.STARTED)
    await first.engine.stop()
    async with bench(clock=first.clock, runtime=FakeRuntime(trains(tmp_path))) as second:
        ended = await second.end(id)
        assert (ended.phase, ended.attempt) == (Phase.SUCCEEDED, 2)
        assert [spec.train for spec in second.runtime.specs] == [True]


async def test_weights_that_are_gone_fail_the_setup_and_say_so(started: Start, tmp_path: Path) -> None:
    bench = await started(runtime=FakeRuntime(trains(tmp_path)))
    ended = await bench.end(await submit(bench, await base(bench)))
    reference = parse_reference(ended.output["weights"])
    assert reference is not None
    await bench.store.files.delete([reference[0]])
    trained = await bench.store.versions.get(ended.output["version"].partition(":")[2])
    assert trained is not None
    failed = await bench.run(trained)
    assert failed.error is not None
    assert failed.error.startswith("The trained weights of this version are gone")
