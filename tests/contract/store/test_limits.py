"""Idempotency keys, shared rates, accounts' own limits, and whose data goes when."""

from __future__ import annotations

import asyncio

import pytest

from hearth.domain.events import Kind
from hearth.domain.file import FileKind
from hearth.domain.limits import KEY_LIFE, Lane, Once, Usage
from hearth.domain.prediction import PredictionKind
from hearth.errors import Conflict
from hearth.store.base import Store

NOW = 1_800_000_000.0


def once(key: str = "k", fingerprint: str = "f", account_id: str = "acme") -> Once:
    return Once(account_id=account_id, key=key, fingerprint=fingerprint)


async def test_a_key_is_stored_with_its_prediction_or_not_at_all(store: Store, make):
    first, second = make.prediction(), make.prediction()
    await store.predictions.create(first, make.events(Kind.QUEUED), once=once())
    with pytest.raises(Conflict):
        await store.predictions.create(second, make.events(Kind.QUEUED), once=once())
    assert await store.predictions.get(second.id) is None
    kept = await store.idempotency.get("acme", "k", first.created_at)
    assert (kept.prediction_id, kept.fingerprint) == (first.id, "f")
    assert await store.idempotency.get("other", "k", first.created_at) is None
    with pytest.raises(Conflict):
        await store.predictions.create(first, [], once=once("another"))
    assert await store.idempotency.get("acme", "another", first.created_at) is None


async def test_of_many_at_once_one_is_stored(store: Store, make):
    predictions = [make.prediction(created_at=NOW) for _ in range(20)]
    results = await asyncio.gather(
        *[store.predictions.create(p, make.events(Kind.QUEUED), once=once()) for p in predictions],
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 19


async def test_a_key_is_free_again_when_its_time_is_over(store: Store, make):
    first = make.prediction(created_at=NOW)
    await store.predictions.create(first, [], once=once())
    late = make.prediction(created_at=NOW + KEY_LIFE)
    assert await store.idempotency.get("acme", "k", late.created_at) is None
    await store.predictions.create(late, [], once=once(fingerprint="g"))
    kept = await store.idempotency.get("acme", "k", late.created_at)
    assert (kept.prediction_id, kept.fingerprint) == (late.id, "g")


async def test_an_answer_is_kept(store: Store):
    assert await store.idempotency.begin(once(), NOW, NOW + 60) is None
    held = await store.idempotency.begin(once(), NOW + 1, NOW + 61)
    assert (held.until, held.status) == (NOW + 60, None)
    await store.idempotency.finish("acme", "k", 201, b"{}")
    await store.idempotency.drop("acme", "k")  # too late: it has its answer
    kept = await store.idempotency.begin(once(), NOW + 99, NOW + 159)
    assert (kept.until, kept.status, kept.body) == (None, 201, b"{}")


async def test_a_holder_that_does_not_come_back_loses_the_key(store: Store):
    assert await store.idempotency.begin(once(), NOW, NOW + 60) is None
    assert await store.idempotency.begin(once(), NOW + 60, NOW + 120) is None
    await store.idempotency.drop("acme", "k")
    assert await store.idempotency.get("acme", "k", NOW + 60) is None


async def test_old_keys_are_forgotten(store: Store):
    for n in range(3):
        await store.idempotency.begin(once(f"k{n}"), NOW + n, NOW + 60)
    assert await store.idempotency.expire(NOW + 1 + KEY_LIFE, 10) == 2
    assert await store.idempotency.expire(NOW + 1 + KEY_LIFE, 10) == 0


async def test_processes_add_up_what_they_let_through(store: Store):
    def usage(calls: int, started_at: float, lane: Lane = Lane.CREATES) -> Usage:
        return Usage("acme", lane, calls, started_at)

    exchange = store.rates.exchange
    assert await exchange([usage(3, NOW)], NOW + 1, 60.0) == [usage(3, NOW)]
    # Another process began its minute later: the first one's counts.
    assert await exchange([usage(4, NOW + 5)], NOW + 6, 60.0) == [usage(7, NOW)]
    assert await exchange([usage(0, NOW), usage(1, NOW, Lane.OTHERS)], NOW + 7, 60.0) == [
        usage(7, NOW), usage(1, NOW, Lane.OTHERS),
    ]  # fmt: skip
    assert await exchange([usage(2, NOW + 61)], NOW + 62, 60.0) == [usage(2, NOW + 61)]


async def test_an_account_has_limits_of_its_own(store: Store, make):
    account = make.account()
    await store.accounts.create(account)
    fields = {"creates_per_minute": 5, "others_per_minute": 0, "retention": 60.0}
    changed = await store.accounts.update(account.id, fields)
    assert (changed.creates_per_minute, changed.others_per_minute, changed.retention) == (5, 0, 60.0)
    assert await store.accounts.by_username(account.username) == changed
    assert await store.accounts.update("nobody", fields) is None
    with pytest.raises(ValueError, match="username"):
        await store.accounts.update(account.id, {"username": "other"})


async def test_whose_data_goes_and_whose_stays(store: Store, make):
    async def ended(**fields):
        prediction = make.prediction(**fields)
        await store.predictions.create(prediction, make.events(Kind.QUEUED))
        await store.predictions.record(make.done(prediction, completed_at=NOW))
        return prediction

    plain, short, long = await ended(), await ended(retention=10.0), await ended(retention=1000.0)
    web, shared = await ended(source="web"), await ended()
    training = await ended(kind=PredictionKind.TRAINING)
    assert await store.predictions.share(shared.id, True)
    assert await store.predictions.share("nothing", True) is False
    file = make.file(kind=FileKind.OUTPUT, prediction_id=short.id)
    await store.files.add(file)

    assert await store.predictions.scrub(NOW + 11, 10, 100.0) == [short.id]
    assert [f.id for f in await store.files.expired(NOW + 11, 10)] == [file.id]
    assert await store.predictions.scrub(NOW + 101, 10, 100.0) == [plain.id]
    assert await store.predictions.scrub(NOW + 1001, 10, 100.0) == [long.id]
    for kept in (web, shared, training):
        assert (await store.predictions.get(kept.id)).data_removed is False
    assert await store.predictions.shared(shared.id)
    assert not await store.predictions.shared(web.id)
    await store.predictions.share(shared.id, False)
    assert not await store.predictions.shared(shared.id)
    assert await store.predictions.scrub(NOW + 1001, 10, 100.0) == [shared.id]
