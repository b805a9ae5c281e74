from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from hearth import ids
from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.domain.events import Kind
from hearth.domain.file import FileKind
from hearth.domain.model import Recipe
from hearth.domain.prediction import Phase, PredictionKind
from hearth.errors import Conflict
from hearth.store.base import Change, Store


def release(number: int = 1, **fields: Any) -> Release:
    defaults: dict[str, Any] = {
        "number": number,
        "model": "acme/hello",
        "version": "a" * 64,
        "hardware": "cpu",
        "min_instances": 0,
        "max_instances": 2,
        "created_at": 1_700_000_000.25,
        "created_by": "acme",
    }
    return Release(**{**defaults, **fields})


def deployment(**fields: Any) -> Deployment:
    defaults: dict[str, Any] = {
        "id": ids.random32(),
        "account_id": "acme",
        "owner": "acme",
        "name": "app",
        "created_at": 1_700_000_000.5,
        "current": release(),
    }
    return Deployment(**{**defaults, **fields})


async def test_a_deployment_comes_back_as_it_was_stored(store: Store):
    rolling = deployment(current=release(state=ReleaseState.ROLLING, because="its first instance is starting"))
    serving = deployment(name="other", serving=release())
    await store.deployments.create(rolling)
    await store.deployments.create(serving)
    assert await store.deployments.get("acme", "app") == rolling
    assert await store.deployments.by_id(serving.id) == serving
    assert await store.deployments.get("acme", "none") is None
    assert await store.deployments.by_id("none") is None


async def test_a_name_is_taken_once_for_each_owner(store: Store):
    await store.deployments.create(deployment())
    await store.deployments.create(deployment(owner="bob"))
    with pytest.raises(Conflict):
        await store.deployments.create(deployment())


async def test_pages_hold_an_accounts_own_newest_first(store: Store):
    made = [deployment(name=f"app-{n}", created_at=1000.0 + n) for n in range(5)]
    for each in [*made, deployment(owner="bob", account_id="bob")]:
        await store.deployments.create(each)
    first = await store.deployments.page("acme", limit=3)
    rest = await store.deployments.page("acme", limit=3, cursor=first.older)
    assert [*first.items, *rest.items] == made[::-1]
    assert (await store.deployments.page("acme", limit=3, cursor=rest.newer)).items == first.items


async def test_the_next_release_is_current_and_the_former_one_serves_on(store: Store):
    first = deployment(serving=release())
    await store.deployments.create(first)
    second = msgspec.structs.replace(first, current=release(2, version="b" * 64, state=ReleaseState.ROLLING))
    assert await store.deployments.release(second)
    assert await store.deployments.get("acme", "app") == second
    assert not await store.deployments.release(second), "another release came first"
    assert not await store.deployments.release(deployment(current=release(2)))


async def test_a_live_release_serves_and_a_failed_one_does_not(store: Store):
    first = deployment(serving=release())
    await store.deployments.create(first)
    second = msgspec.structs.replace(first, current=release(2, state=ReleaseState.ROLLING))
    await store.deployments.release(second)
    assert await store.deployments.judge(first.id, 2, ReleaseState.FAILED, "its setup failed")
    found = await store.deployments.by_id(first.id)
    assert found is not None
    assert (found.current.state, found.current.because) == (ReleaseState.FAILED, "its setup failed")
    assert found.serving == first.current
    assert await store.deployments.judge(first.id, 2, ReleaseState.LIVE, "ready")
    found = await store.deployments.by_id(first.id)
    assert found is not None
    assert found.serving == found.current == release(2, because="ready")
    assert not await store.deployments.judge(first.id, 1, ReleaseState.LIVE, "late news"), "not the newest any more"
    assert not await store.deployments.judge("gone", 1, ReleaseState.LIVE, "ready")


async def test_wanted_are_those_that_roll_out_keep_instances_or_serve_nothing(store: Store):
    rolling = deployment(name="rolling", current=release(state=ReleaseState.ROLLING), serving=None)
    kept = deployment(name="kept", current=release(min_instances=1), serving=release(min_instances=1))
    failed = release(2, state=ReleaseState.FAILED, min_instances=2)
    await store.deployments.create(rolling)
    await store.deployments.create(kept)
    await store.deployments.create(deployment(name="idle", serving=release()))
    given_up = deployment(name="failed", serving=release())
    await store.deployments.create(given_up)
    await store.deployments.release(msgspec.structs.replace(given_up, current=failed))
    await store.deployments.create(deployment(name="none", current=release(state=ReleaseState.FAILED)))
    assert {d.name for d in await store.deployments.wanted()} == {"rolling", "kept", "none"}


async def test_a_deleted_deployment_is_gone_with_its_releases(store: Store):
    first = deployment(serving=release())
    await store.deployments.create(first)
    assert await store.deployments.delete(first.id)
    assert not await store.deployments.delete(first.id)
    assert await store.deployments.get("acme", "app") is None
    await store.deployments.create(first)


async def test_last_used_is_when_the_latest_prediction_ended(store: Store, make: Any):
    assert await store.deployments.last_used("acme/app") is None
    first = make.prediction(deployment="acme/app")
    second = make.prediction(deployment="acme/app")
    other = make.prediction(deployment="acme/other")
    for each in (first, second, other):
        await store.predictions.create(each, make.events(Kind.QUEUED))
    assert await store.deployments.last_used("acme/app") == math.inf
    await store.predictions.record(make.done(second, completed_at=2_000_000_000.0))
    assert await store.deployments.last_used("acme/app") == math.inf
    await store.predictions.record(make.done(first, completed_at=2_000_000_001.0))
    assert await store.deployments.last_used("acme/app") == 2_000_000_001.0


async def test_a_training_ends_with_its_version_and_keeps_its_weights(store: Store, make: Any):
    model = make.model()
    await store.models.create(model)
    training = make.prediction(kind=PredictionKind.TRAINING, destination=model.full_name)
    weights = make.file(kind=FileKind.OUTPUT, prediction_id=training.id, expires_at=5.0)
    await store.files.add(weights)
    await store.predictions.create(training, make.events(Kind.QUEUED))
    recipe = Recipe(source=(), environment="e" * 64, weights=weights.reference)
    version = make.version(model, recipe=recipe)
    done = msgspec.structs.replace(make.done(training), version=version)
    assert await store.predictions.record(done)
    assert await store.versions.get(version.id) == version
    found = await store.models.get(model.owner, model.name)
    assert found is not None
    assert found.latest_version_id == version.id
    kept = await store.files.get(weights.id)
    assert kept is not None
    assert (kept.expires_at, kept.prediction_id) == (None, None)
    assert not await store.predictions.record(done), "it has ended"


async def test_a_destination_deleted_meanwhile_does_not_keep_a_training_from_ending(store: Store, make: Any):
    training = make.prediction(kind=PredictionKind.TRAINING)
    await store.predictions.create(training, make.events(Kind.QUEUED))
    version = make.version(make.model())
    change: Change = msgspec.structs.replace(make.done(training), version=version)
    assert await store.predictions.record(change)
    assert await store.versions.get(version.id) is None
    ended = await store.predictions.get(training.id)
    assert ended is not None
    assert ended.phase is Phase.SUCCEEDED


async def test_how_a_release_groups_is_kept(store: Store):
    made = deployment(current=release(batch_size=8, batch_wait=0.25))
    await store.deployments.create(made)
    found = await store.deployments.by_id(made.id)
    assert found is not None
    assert (found.current.batch_size, found.current.batch_wait) == (8, 0.25)
