from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hearth import ids
from hearth.bus.base import NewPrediction
from hearth.domain.account import Account
from hearth.domain.model import Model, Version
from hearth.domain.prediction import PredictionKind
from hearth.errors import InvalidInput, InvalidRequest, NotFound
from hearth.service.trainings import NO_DESTINATION, Trainings

TRAINABLE: dict[str, Any] = {
    "components": {
        "schemas": {
            "Input": {"type": "object", "properties": {"prompt": {"type": "string"}}},
            "Output": {"type": "string"},
            "TrainingInput": {
                "type": "object",
                "required": ["steps"],
                "properties": {"steps": {"type": "integer", "minimum": 1}},
            },
            "TrainingOutput": {"type": "object", "properties": {"weights": {"type": "string", "format": "uri"}}},
        }
    }
}


@pytest.fixture
def trainings(hearth: Any) -> Trainings:
    return Trainings(
        bus=hearth.bus,
        models=hearth.models,
        versions=hearth.resolver,
        predictions=hearth.predictions,
        inputs=hearth.inputs,
        clock=hearth.clock,
    )


async def trainable(hearth: Any, owner: Account, name: str = "base") -> Version:
    model, version = await hearth.version(owner, name, TRAINABLE)
    recipe = msgspec.structs.replace(version.recipe, train="train.py:train")
    version = msgspec.structs.replace(version, id=ids.random32().translate(HEX) + "0" * 38, recipe=recipe)
    await hearth.store.versions.add(version)
    hearth.resolver.forget(model.owner, model.name)
    found: Version = version
    return found


HEX = str.maketrans("ghjkmnpqrstvwxyz", "0123456789abcdef")


async def destination(hearth: Any, owner: Account, name: str = "mine") -> str:
    model = Model(
        id=ids.sortable(), account_id=owner.id, owner=owner.username, name=name, created_at=hearth.clock.now()
    )
    await hearth.store.models.create(model)
    return model.full_name


async def create(trainings: Trainings, caller: Account, base: Version, to: str, **fields: Any) -> Any:
    owner, _, name = base.model.partition("/")
    defaults = {"input": {"steps": 2}, "version": base.id, "origin": "http://h"}
    return await trainings.create(caller, owner=owner, name=name, destination=to, **{**defaults, **fields})


async def test_it_is_stored_and_given_to_the_engine(
    hearth: Any, engine: Any, root: Account, trainings: Trainings
) -> None:
    version, to = await trainable(hearth, root), await destination(hearth, root)
    made = await create(trainings, root, version, to)
    assert (made.kind, made.destination, made.input) == (PredictionKind.TRAINING, to, {"steps": 2})
    work = await engine.heard(NewPrediction)
    assert (work.prediction, work.version) == (made, version)
    assert work.lane.train
    assert await trainings.get(root, made.id) == made
    assert (await trainings.page(root)).items == [made]
    assert (await hearth.predictions.page(root)).items == []
    assert await hearth.predictions.get(root, made.id) == made


async def test_a_prediction_is_no_training(hearth: Any, root: Account, trainings: Trainings) -> None:
    version = await trainable(hearth, root)
    made = await hearth.predictions.create(root, version=version.id, input={"prompt": "x"}, origin="http://h")
    for call in (trainings.get(root, made.id), trainings.cancel(root, made.id)):
        with pytest.raises(NotFound):
            await call


async def test_the_input_is_the_trainers(hearth: Any, root: Account, trainings: Trainings) -> None:
    version, to = await trainable(hearth, root), await destination(hearth, root)
    with pytest.raises(InvalidInput) as refused:
        await create(trainings, root, version, to, input={"prompt": "x"})
    assert [field.description for field in refused.value.fields] == ["steps is required"]


async def test_the_destination_is_the_callers_own(hearth: Any, root: Account, trainings: Trainings) -> None:
    version = await trainable(hearth, root)
    guest = (await hearth.accounts.bootstrap("guest", None))[0]
    theirs = await destination(hearth, guest)
    for to in (theirs, "root/none", "none", "", "/", "root/base/x"):
        with pytest.raises(NotFound, match=NO_DESTINATION):
            await create(trainings, root, version, to)


async def test_only_what_has_a_trainer_can_be_trained(hearth: Any, root: Account, trainings: Trainings) -> None:
    to = await destination(hearth, root)
    _, plain = await hearth.version(root, "plain")
    with pytest.raises(InvalidRequest, match="names no train code"):
        await create(trainings, root, plain, to)
    with pytest.raises(NotFound):
        await create(trainings, root, plain, to, version="0" * 64)


async def test_latest_is_a_version_too(hearth: Any, root: Account, trainings: Trainings) -> None:
    version, to = await trainable(hearth, root), await destination(hearth, root)
    assert (await create(trainings, root, version, to, version="latest")).version == version.id


async def test_options_are_checked(hearth: Any, root: Account, trainings: Trainings) -> None:
    version, to = await trainable(hearth, root), await destination(hearth, root)
    with pytest.raises(InvalidRequest, match="webhook"):
        await create(trainings, root, version, to, webhook="ftp://x")
