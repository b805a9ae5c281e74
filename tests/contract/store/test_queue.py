from __future__ import annotations

import asyncio

import msgspec

from hearth.domain.events import Kind
from hearth.domain.prediction import Phase, PredictionKind
from hearth.domain.priority import Priority
from hearth.store.base import Change, Lease, Store


async def claimed(store: Store, owner: str, now: float, until: float = 1000.0, limit: int = 100) -> list[str]:
    return [claim.prediction.id for claim in await store.queue.claim(owner, now, until, limit)]


async def test_claims_go_oldest_first_up_to_the_limit(store: Store, make):
    predictions = [make.prediction() for _ in range(5)]
    for prediction in predictions[::-1]:
        await store.predictions.create(prediction, [])
    order = [p.id for p in predictions]
    assert await claimed(store, "one", 0.0, limit=2) == order[:2]
    assert await claimed(store, "two", 0.0, limit=2) == order[2:4]
    assert await claimed(store, "one", 0.0, limit=2) == order[4:]
    assert await claimed(store, "one", 0.0) == []


async def test_equal_times_are_claimed_by_id(store: Store, make):
    predictions = [make.prediction(created_at=5.0) for _ in range(5)]
    for prediction in predictions:
        await store.predictions.create(prediction, [])
    assert await claimed(store, "one", 0.0) == sorted(p.id for p in predictions)


async def test_a_claim_brings_the_row_its_secrets_and_what_was_delivered(store: Store, make):
    plain, secret, shown = make.prediction(), make.prediction(), make.prediction()
    await store.predictions.create(plain, [])
    await store.predictions.create(secret, [], secrets=b"\x00sealed")
    await store.predictions.create(shown, [])
    events = make.events(Kind.STARTED, Kind.LOG, Kind.OUTPUT)
    await store.predictions.record(Change(prediction=shown, events=events))
    await store.predictions.record(Change(prediction=shown, events=make.events(Kind.LOG, start=3)))
    await store.predictions.record(Change(prediction=plain, events=make.events(Kind.LOG)))
    claims = await store.queue.claim("one", 0.0, 1.0, 10)
    assert [(c.prediction, c.secrets, c.delivered) for c in claims] == [
        (plain, None, False),
        (secret, b"\x00sealed", False),
        (shown, None, True),
    ]


async def test_a_lease_given_at_creation_holds(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], lease=Lease("one", 10.0))
    assert await claimed(store, "two", 9.9) == []
    assert await claimed(store, "two", 10.0) == [prediction.id]


async def test_a_lease_runs_out_unless_it_is_renewed(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    assert await claimed(store, "one", 0.0, until=10.0) == [prediction.id]
    assert await store.queue.renew("one", 20.0) == 1
    assert await claimed(store, "two", 15.0, until=30.0) == []
    assert await claimed(store, "two", 20.0, until=30.0) == [prediction.id]
    assert await store.queue.renew("one", 99.0) == 0
    assert await claimed(store, "three", 30.0) == [prediction.id]


async def test_renewing_never_shortens_a_lease(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], lease=Lease("one", 50.0))
    assert await store.queue.renew("one", 10.0) == 1
    assert await claimed(store, "two", 49.0) == []


async def test_what_ran_out_is_claimed_in_order_with_what_waits(store: Store, make):
    predictions = [make.prediction() for _ in range(6)]
    for n, prediction in enumerate(predictions):
        lease = Lease("dead", 10.0 - n) if n % 2 else None
        await store.predictions.create(prediction, [], lease=lease)
    order = [p.id for p in predictions]
    assert await claimed(store, "one", 50.0, limit=4) == order[:4]
    assert await claimed(store, "one", 50.0) == order[4:]


async def test_abandon_drops_the_leases_of_others(store: Store, make):
    predictions = [make.prediction() for _ in range(3)]
    for prediction, owner in zip(predictions, ("old", "me", "old"), strict=True):
        await store.predictions.create(prediction, [], lease=Lease(owner, 1000.0))
    assert await store.queue.abandon("me") == 2
    assert await claimed(store, "me", 0.0) == [predictions[0].id, predictions[2].id]
    assert await store.queue.abandon() == 3
    assert await store.queue.abandon() == 0


async def test_what_ended_leaves_the_queue(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], secrets=b"sealed", lease=Lease("one", 1.0))
    assert await store.predictions.record(make.done(prediction))
    assert await claimed(store, "two", 99.0) == []
    assert await store.queue.renew("one", 99.0) == 0
    assert await store.queue.depth() == {}


async def test_what_is_created_ended_is_never_queued(store: Store, make):
    prediction = make.prediction(phase=Phase.FAILED, completed_at=9.0, error="no")
    await store.predictions.create(prediction, [])
    assert await claimed(store, "one", 99.0) == []
    assert await store.predictions.get(prediction.id) == prediction


async def test_depth_counts_waiting_and_running_by_version(store: Store, make):
    a, b = "a" * 64, "b" * 64
    first = make.prediction(version=a)
    for prediction in (first, make.prediction(version=a), make.prediction(version=b)):
        await store.predictions.create(prediction, [])
    await store.queue.claim("one", 0.0, 10.0, 1)
    assert await store.queue.depth() == {a: 2, b: 1}
    await store.predictions.record(make.done(first))
    assert await store.queue.depth() == {a: 1, b: 1}


async def test_a_cancel_reaches_whoever_holds_the_lease(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    await store.predictions.request_cancel(prediction.id, 3.0)
    assert await store.queue.cancels("one") == []
    (claim,) = await store.queue.claim("one", 0.0, 10.0, 5)
    assert claim.prediction == msgspec.structs.replace(prediction, cancel_requested_at=3.0)
    assert await store.queue.cancels("one") == [prediction.id]
    await claimed(store, "two", 10.0)
    assert await store.queue.cancels("one") == []
    assert await store.queue.cancels("two") == [prediction.id]


async def test_nothing_is_claimed_twice_by_rivals(store: Store, make):
    predictions = [make.prediction() for _ in range(100)]
    await asyncio.gather(*[store.predictions.create(p, []) for p in predictions])

    async def rival(name: str) -> list[str]:
        mine: list[str] = []
        while got := await claimed(store, name, 0.0, limit=7):
            mine += got
        return mine

    everything = [id for mine in await asyncio.gather(*[rival(f"r{n}") for n in range(5)]) for id in mine]
    # A rival may find nothing while another holds rows that it has yet to commit; then one more round takes them.
    everything += await rival("last")
    assert sorted(everything) == sorted(p.id for p in predictions)


async def test_claims_go_by_when_they_count_as_interactive(store: Store, make):
    batch = make.prediction(created_at=0.0, priority=Priority.BATCH)
    old = make.prediction(created_at=100.0)
    late_batch = make.prediction(created_at=1.0, priority=Priority.BATCH)
    held = make.prediction(created_at=599.0, priority=Priority.INTERACTIVE)
    last = make.prediction(created_at=602.0, priority=Priority.INTERACTIVE)
    for prediction in (last, held, late_batch, old, batch):
        await store.predictions.create(prediction, [])
    claims = await store.queue.claim("one", 0.0, 10.0, 3) + await store.queue.claim("one", 0.0, 10.0, 3)
    assert [claim.prediction for claim in claims] == [old, held, batch, late_batch, last]
    taken_over = await store.queue.claim("two", 10.0, 20.0, 10)
    assert [claim.prediction for claim in taken_over] == [old, held, batch, late_batch, last]


async def test_run_times_are_kept_by_version_and_kind(store: Store, make):
    model = make.model()
    await store.models.create(model)
    version = make.version(model)
    await store.versions.add(version)
    assert await store.queue.run_times(version.id, PredictionKind.PREDICTION) == []
    await store.queue.remember(version.id, PredictionKind.PREDICTION, [1.0])
    await store.queue.remember(version.id, PredictionKind.PREDICTION, [2.5, 1.0])
    await store.queue.remember(version.id, PredictionKind.TRAINING, [60.0])
    assert await store.queue.run_times(version.id, PredictionKind.PREDICTION) == [2.5, 1.0]
    assert await store.queue.run_times(version.id, PredictionKind.TRAINING) == [60.0]
    await store.versions.delete(version.id, 5.0)
    assert await store.queue.run_times(version.id, PredictionKind.PREDICTION) == []
    await store.queue.remember(version.id, PredictionKind.PREDICTION, [1.0])
    assert await store.queue.run_times(version.id, PredictionKind.PREDICTION) == []
