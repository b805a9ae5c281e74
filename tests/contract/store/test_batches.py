from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hearth import ids
from hearth.domain.batch import Batch, BatchState, Item
from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Prediction
from hearth.errors import Conflict
from hearth.store.base import Store

NOW = 1_700_000_000.5


def batch(**fields: Any) -> Batch:
    id = ids.sortable()
    usual = {
        "id": id, "account_id": "acme", "model": "acme/hello", "version": "a" * 64, "total": 3,
        "source": f"batches/{id}", "created_at": NOW, "origin": "https://here",
    }  # fmt: skip
    return Batch(**{**usual, **fields})


async def test_a_batch_comes_back_as_it_was_stored(store: Store):
    made = batch()
    await store.batches.create(made)
    assert await store.batches.get(made.id) == made
    assert await store.batches.get("nothing") is None


async def test_batches_are_listed_newest_first(store: Store):
    made = [batch(created_at=NOW + n) for n in range(5)]
    for each in (*made, batch(account_id="other")):
        await store.batches.create(each)
    page = await store.batches.page("acme", limit=2)
    assert [b.id for b in page.items] == [made[4].id, made[3].id]
    page = await store.batches.page("acme", limit=10, cursor=page.older)
    assert [b.id for b in page.items] == [made[2].id, made[1].id, made[0].id]


async def test_one_owner_at_a_time(store: Store):
    made = batch()
    await store.batches.create(made)
    assert [b.id for b in await store.batches.claim("one", NOW, NOW + 30)] == [made.id]
    assert await store.batches.claim("two", NOW + 29, NOW + 60) == []
    assert [b.id for b in await store.batches.claim("one", NOW + 29, NOW + 59)] == [made.id]
    assert [b.id for b in await store.batches.claim("two", NOW + 59, NOW + 90)] == [made.id]
    assert await store.batches.claim("one", NOW + 60, NOW + 90) == []


async def test_an_ended_batch_is_not_claimed_and_ends_once(store: Store):
    made = batch()
    await store.batches.create(made)
    assert await store.batches.end(made.id, BatchState.FAILED, "its version is gone", NOW + 5)
    assert not await store.batches.end(made.id, BatchState.COMPLETED, "", NOW + 6)
    assert await store.batches.claim("one", NOW, NOW + 30) == []
    found = await store.batches.get(made.id)
    assert found == replace(made, state=BatchState.FAILED, because="its version is gone", completed_at=NOW + 5)


async def test_a_place_is_taken_once(store: Store):
    made = batch()
    await store.batches.create(made)
    first, second = Item(0, ids.sortable()), Item(1, ids.sortable())
    await store.batches.place(made.id, [first])
    with pytest.raises(Conflict):
        await store.batches.place(made.id, [second, Item(0, ids.sortable())])
    assert await store.batches.items(made.id) == [first]  # all or none
    await store.batches.place(made.id, [second])
    assert await store.batches.items(made.id, after=0) == [second]
    assert await store.batches.items(made.id, limit=1) == [first]
    with pytest.raises(Conflict):
        await store.batches.place("nothing", [first])


async def test_its_predictions_are_counted_by_phase(store: Store):
    made = batch()
    await store.batches.create(made)
    items = [Item(n, ids.sortable()) for n in range(3)]
    await store.batches.place(made.id, items)
    for item in items[:2]:
        prediction = Prediction(
            id=item.prediction_id, account_id="acme", model="acme/hello", version="a" * 64, input={}, created_at=NOW,
            events=1,
        )  # fmt: skip
        await store.predictions.create(prediction, [Event(0, Kind.QUEUED, NOW, {})])
    assert await store.batches.tally(made.id) == {Phase.QUEUED: 2}
