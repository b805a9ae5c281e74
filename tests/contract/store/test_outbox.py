from __future__ import annotations

import msgspec
import pytest

from hearth.domain.webhook import DeliveryState
from hearth.errors import Conflict
from hearth.store.base import Change, Store


async def with_deliveries(store: Store, make, *fields, **prediction_fields):
    """A stored prediction and its deliveries."""
    prediction = make.prediction(**prediction_fields)
    deliveries = [make.delivery(prediction, **each) for each in fields]
    await store.predictions.create(prediction, [], deliveries=deliveries)
    return prediction, deliveries


async def test_a_delivery_comes_with_its_change(store: Store, make):
    prediction, (first,) = await with_deliveries(store, make, {"event": "start", "body": b"\x00\xff"})
    second = make.delivery(prediction)
    await store.predictions.record(Change(prediction=prediction, deliveries=[second]))
    assert await store.outbox.of_prediction(prediction.id) == [(first, []), (second, [])]


async def test_a_delivery_id_is_taken_once(store: Store, make):
    prediction, (first,) = await with_deliveries(store, make, {})
    with pytest.raises(Conflict):
        await store.predictions.record(Change(prediction=prediction, deliveries=[first]))


async def test_only_what_is_due_is_claimed_and_by_one_courier(store: Store, make):
    _, (late, early, later) = await with_deliveries(store, make, {"due_at": 5.0}, {"due_at": 4.0}, {"due_at": 9.0})
    assert await store.outbox.next_due() == 4.0
    assert await store.outbox.claim(3.9, 60.0, 10) == []
    assert await store.outbox.claim(5.0, 60.0, 1) == [msgspec.structs.replace(early, due_at=60.0)]
    assert await store.outbox.claim(5.0, 60.0, 10) == [msgspec.structs.replace(late, due_at=60.0)]
    assert await store.outbox.claim(5.0, 60.0, 10) == []
    assert await store.outbox.next_due() == 9.0
    # Nobody recorded an outcome: it comes again.
    again = await store.outbox.claim(60.0, 99.0, 10)
    assert again[0].id == later.id
    assert {d.id for d in again[1:]} == {early.id, late.id}


async def test_what_is_pending_is_put_off_each_to_its_own_time(store: Store, make):
    _, (one, two, done) = await with_deliveries(store, make, {"due_at": 1.0}, {"due_at": 2.0}, {"due_at": 3.0})
    delivered = msgspec.structs.replace(done, attempts=1, state=DeliveryState.DELIVERED)
    await store.outbox.record(delivered, make.attempt(delivered, 1))
    await store.outbox.put_off({one.id: 30.0, two.id: 20.0, done.id: 10.0, "gone": 5.0})
    assert await store.outbox.claim(19.9, 60.0, 10) == []
    assert [d.id for d in await store.outbox.claim(20.0, 60.0, 10)] == [two.id]
    assert [d.id for d in await store.outbox.claim(30.0, 60.0, 10)] == [one.id]
    assert await store.outbox.next_due() == 60.0


async def test_an_attempt_moves_the_delivery(store: Store, make):
    prediction, _ = await with_deliveries(store, make, {"due_at": 1.0})
    (claimed,) = await store.outbox.claim(1.0, 60.0, 10)
    refused = msgspec.structs.replace(claimed, attempts=1, due_at=30.0)
    first = make.attempt(refused, 1, status=500)
    await store.outbox.record(refused, first)
    assert await store.outbox.claim(29.0, 60.0, 10) == []
    (claimed,) = await store.outbox.claim(30.0, 60.0, 10)
    assert claimed.attempts == 1
    delivered = msgspec.structs.replace(claimed, attempts=2, state=DeliveryState.DELIVERED)
    second = make.attempt(delivered, 2, error="slow")
    await store.outbox.record(delivered, second)
    assert await store.outbox.next_due() is None
    assert await store.outbox.claim(1e9, 2e9, 10) == []
    assert await store.outbox.of_prediction(prediction.id) == [(delivered, [first, second])]


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.FAILED])
async def test_a_finished_delivery_can_be_sent_again_by_its_account(store: Store, make, state: DeliveryState):
    _, (delivery,) = await with_deliveries(store, make, {"due_at": 1.0})
    assert await store.outbox.replay(delivery.id, "acme", 5.0) is False
    finished = msgspec.structs.replace(delivery, state=state, attempts=3)
    await store.outbox.record(finished, make.attempt(finished, 3))
    assert await store.outbox.replay(delivery.id, "other", 5.0) is False
    assert await store.outbox.replay("nothing", "acme", 5.0) is False
    assert await store.outbox.replay(delivery.id, "acme", 5.0) is True
    assert await store.outbox.replay(delivery.id, "acme", 5.0) is False
    assert [(d.id, d.attempts) for d in await store.outbox.claim(5.0, 9.0, 1)] == [(delivery.id, 3)]


async def test_an_attempt_has_its_number_once(store: Store, make):
    prediction, (delivery,) = await with_deliveries(store, make, {"due_at": 1.0})
    one = msgspec.structs.replace(delivery, attempts=1)
    await store.outbox.record(one, make.attempt(one, 1))
    with pytest.raises(Conflict):
        await store.outbox.record(msgspec.structs.replace(one, attempts=7), make.attempt(one, 1))
    ((found, attempts),) = await store.outbox.of_prediction(prediction.id)
    assert (found.attempts, len(attempts)) == (1, 1)


async def test_an_accounts_deliveries_come_newest_first_with_their_attempts(store: Store, make):
    _, mine = await with_deliveries(store, make, {}, {}, {})
    await with_deliveries(store, make, {}, account_id="other")
    tried = msgspec.structs.replace(mine[1], attempts=2)
    attempts = [make.attempt(tried, 1), make.attempt(tried, 2)]
    await store.outbox.record(msgspec.structs.replace(tried, attempts=1), attempts[0])
    await store.outbox.record(tried, attempts[1])
    first = await store.outbox.page("acme", limit=2)
    assert first.items == [(mine[2], []), (tried, attempts)]
    second = await store.outbox.page("acme", limit=2, cursor=first.older)
    assert second.items == [(mine[0], [])]
    assert second.older is None
    assert (await store.outbox.page("acme", limit=2, cursor=second.newer)).items == first.items
