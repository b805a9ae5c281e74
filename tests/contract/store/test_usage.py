"""What was used is counted when predictions end; samples come and go."""

from __future__ import annotations

import asyncio

from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.domain.prediction import Phase, PredictionKind
from hearth.domain.sample import Sample
from hearth.domain.usage import Used
from hearth.store.base import Store

DAY = 86_400
NOW = 20_000.0 * DAY + 100


async def end(store: Store, make, phase: Phase = Phase.SUCCEEDED, *, seconds: float | None = 2.0, **fields):
    prediction = make.prediction(**{"created_at": NOW, **fields})
    await store.predictions.create(prediction, [])
    at = prediction.created_at + (seconds or 0.0)
    started = None if seconds is None else prediction.created_at
    change = make.done(prediction, phase, completed_at=at, started_at=started)
    assert await store.predictions.record(change)
    return change


async def test_ends_are_added_up_by_day_model_and_hardware(store: Store, make):
    await store.models.create(make.model(owner="acme", name="hello", hardware="gpu-t4"))
    await end(store, make, seconds=2.0)
    await end(store, make, Phase.FAILED, seconds=3.0)
    await end(store, make, Phase.CANCELED, seconds=None)
    await end(store, make, seconds=1.0, created_at=NOW + DAY)
    await end(store, make, seconds=8.0, model="acme/gone")
    await end(store, make, seconds=5.0, kind=PredictionKind.TRAINING)
    await end(store, make, seconds=5.0, account_id="other")
    prediction = {"kind": PredictionKind.PREDICTION, "failed": 0}
    hello = {"model": "acme/hello", "hardware": "gpu-t4"}
    assert await store.usage.of_account("acme", 20_000, 20_001) == [
        Used(day=20_001, count=1, seconds=1.0, **hello, **prediction),
        Used(day=20_000, count=1, seconds=8.0, model="acme/gone", hardware="cpu", **prediction),
        Used(day=20_000, count=3, seconds=5.0, **hello, **{**prediction, "failed": 1}),
        Used(day=20_000, count=1, seconds=5.0, **hello, **{**prediction, "kind": PredictionKind.TRAINING}),
    ]
    assert [u.day for u in await store.usage.of_account("acme", 20_001, 20_001)] == [20_001]
    assert await store.usage.of_account("nobody", 0, 30_000) == []


async def test_a_deployment_counts_on_its_own_hardware(store: Store, make):
    await store.models.create(make.model(owner="acme", name="hello", hardware="cpu"))
    release = Release(
        number=1, model="acme/hello", version="a" * 64, hardware="gpu-h100", min_instances=0, max_instances=1,
        created_at=NOW, created_by="acme", state=ReleaseState.LIVE, because="",
    )  # fmt: skip
    await store.deployments.create(
        Deployment(id="d1", account_id="acme", owner="acme", name="my-app", created_at=NOW, current=release)
    )
    await end(store, make, deployment="acme/my-app")
    (used,) = await store.usage.of_account("acme", 20_000, 20_000)
    assert (used.deployment, used.hardware, used.count) == ("acme/my-app", "gpu-h100", 1)


async def test_an_end_counts_once(store: Store, make):
    change = await end(store, make)
    assert not await store.predictions.record(change)
    assert await store.predictions.share(change.prediction.id, True)
    await store.predictions.scrub(NOW + 1e9, 10)
    await store.predictions.delete([change.prediction.id])
    (used,) = await store.usage.of_account("acme", 20_000, 20_000)
    assert (used.count, used.seconds) == (1, 2.0)


async def test_ends_at_the_same_time_are_all_counted(store: Store, make):
    await asyncio.gather(*[end(store, make, seconds=0.5) for _ in range(40)])
    (used,) = await store.usage.of_account("acme", 20_000, 20_000)
    assert (used.count, used.seconds) == (40, 20.0)


async def test_what_was_brought_in_ended_is_not_used(store: Store, make):
    await store.predictions.create(make.done(make.prediction(created_at=NOW)).prediction, [])
    assert await store.usage.of_account("acme", 0, 30_000) == []


async def test_samples_are_read_by_subject_and_time(store: Store):
    first = Sample(at=60.0, idle=1, memory=5 * 2**30, runs={3: 1, -20: 4})
    second, foreign = Sample(at=120.0, waiting=2), Sample(at=120.0, failed=1)
    await store.samples.add("e1", {"acme/my-app": first, "": Sample(at=60.0)})
    await store.samples.add("e1", {"acme/my-app": second})
    await store.samples.add("e2", {"acme/my-app": foreign})
    assert await store.samples.of("acme/my-app", 0.0) == [first, second, foreign]
    assert await store.samples.of("acme/my-app", 120.0) == [second, foreign]
    assert await store.samples.of("", 0.0) == [Sample(at=60.0)]
    assert await store.samples.of("acme/other", 0.0) == []


async def test_old_samples_go_in_steps(store: Store):
    for minute in range(5):
        await store.samples.add("e1", {"": Sample(at=minute * 60.0)})
    assert await store.samples.expire(180.0, 2) == 2
    assert await store.samples.expire(180.0, 2) == 1
    assert await store.samples.expire(180.0, 2) == 0
    assert [s.at for s in await store.samples.of("", 0.0)] == [180.0, 240.0]
