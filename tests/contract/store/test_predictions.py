from __future__ import annotations

import asyncio

import msgspec
import pytest

from hearth.domain.events import Kind
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.domain.webhook import DeliveryState
from hearth.errors import Conflict
from hearth.store.base import Change, Cursor, Lease, Store


def changed(prediction: Prediction, **fields):
    return msgspec.structs.replace(prediction, **fields)


async def test_a_prediction_comes_back_as_it_went_in(store: Store, make):
    prediction = make.prediction(
        input={"text": "h\u00e9\u0000\n", "n": [1, 2.5, None, {"deep": True}]},
        phase=Phase.BOOTING,
        reason="one instance is starting",
        kind=PredictionKind.TRAINING,
        deployment="acme/prod",
        destination="acme/tuned",
        metrics={"total_time": 1.5},
        source="web",
        origin="https://localhost:8700",
        webhook="https://example.com",
        webhook_events=("start", "completed"),
        created_at=1_700_000_000.123456,
        deadline=1_700_003_600.75,
        events=1,
    )
    await store.predictions.create(prediction, make.events(Kind.QUEUED, data={}))
    assert await store.predictions.get(prediction.id) == prediction


async def test_an_outcome_comes_back_as_it_went_in(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    outcome = changed(
        prediction,
        phase=Phase.FAILED,
        reason="the model raised",
        output=["a", {"b": None}],
        logs="line\n" * 10_000,
        error="no such thing: \u2603",
        metrics={"predict_time": 0.5},
        started_at=1.5,
        completed_at=2.5,
        attempt=2,
        events=7,
    )
    assert await store.predictions.record(Change(prediction=outcome)) is True
    assert await store.predictions.get(prediction.id) == outcome


async def test_what_is_not_there_is_none_or_empty(store: Store, make):
    assert await store.predictions.get("nothing") is None
    assert await store.predictions.events("nothing") == []
    assert await store.predictions.request_cancel("nothing", 1.0) is False
    assert await store.predictions.record(make.done(make.prediction())) is False


async def test_an_id_can_be_taken_once(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, make.events(Kind.QUEUED))
    with pytest.raises(Conflict):
        await store.predictions.create(changed(prediction, input={}), make.events(Kind.QUEUED))
    assert await store.predictions.get(prediction.id) == prediction


async def test_one_failing_write_takes_no_other_with_it(store: Store, make):
    taken = make.prediction()
    await store.predictions.create(taken, [])
    many = [make.prediction() for _ in range(20)]
    writes = [store.predictions.create(p, make.events(Kind.QUEUED)) for p in [*many[:10], taken, *many[10:]]]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(r) for r in results] == [type(None)] * 10 + [Conflict] + [type(None)] * 10
    for prediction in many:
        assert await store.predictions.get(prediction.id) == prediction
        assert len(await store.predictions.events(prediction.id)) == 1


async def test_create_starts_with_the_call_and_outlives_its_task(store: Store, make):
    prediction = make.prediction()

    async def creating() -> None:
        await store.predictions.create(prediction, [])

    task = asyncio.ensure_future(creating())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # One write later at the latest it is there.
    while await store.predictions.get(prediction.id) is None:
        await store.ping()


async def test_an_ordered_store_takes_a_record_behind_an_unfinished_create(store: Store, make):
    if not store.predictions.ordered:
        pytest.skip("this store promises no order")
    prediction = make.prediction()
    creating = store.predictions.create(prediction, make.events(Kind.QUEUED), lease=Lease("e", 10.0))
    recording = store.predictions.record(msgspec.structs.replace(make.done(prediction), owner="e"))
    assert await recording is True
    await creating
    found = await store.predictions.get(prediction.id)
    assert found is not None
    assert found.phase is Phase.SUCCEEDED


async def test_output_and_logs_are_written_at_the_end_only(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    running = changed(prediction, phase=Phase.RUNNING, started_at=5.0, attempt=1, output=["x"], logs="so far")
    assert await store.predictions.record(Change(prediction=running))
    found = await store.predictions.get(prediction.id)
    assert found == changed(running, output=None, logs="")
    await store.predictions.record(make.done(running))
    found = await store.predictions.get(prediction.id)
    assert found is not None
    assert (found.output, found.logs) == (["x"], "so far")


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELED, Phase.ABORTED])
async def test_a_terminal_prediction_takes_no_change(store: Store, make, phase: Phase):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    end = make.done(prediction, phase)
    assert await store.predictions.record(end) is True
    late = changed(prediction, phase=Phase.RUNNING, started_at=9.0)
    events = make.events(Kind.STARTED)
    delivery = make.delivery(prediction)
    assert await store.predictions.record(Change(prediction=late, events=events, deliveries=[delivery])) is False
    assert await store.predictions.record(make.done(prediction, Phase.FAILED)) is False
    assert await store.predictions.request_cancel(prediction.id, 1.0) is False
    assert await store.predictions.get(prediction.id) == end.prediction
    assert await store.predictions.events(prediction.id) == []
    assert await store.outbox.of_prediction(prediction.id) == []


async def test_only_the_lease_holder_may_record(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], lease=Lease("one", 100.0))
    running = changed(prediction, phase=Phase.RUNNING, started_at=5.0)
    assert await store.predictions.record(Change(prediction=running, owner="two")) is False
    assert await store.predictions.get(prediction.id) == prediction
    assert await store.predictions.record(Change(prediction=running, owner="one")) is True
    # Stolen after the lease ran out: the first owner is fenced off, though it does not know.
    assert len(await store.queue.claim("two", 100.0, 200.0, 10)) == 1
    stale = msgspec.structs.replace(make.done(running), owner="one")
    assert await store.predictions.record(stale) is False
    assert await store.predictions.record(msgspec.structs.replace(stale, owner="two")) is True
    assert await store.predictions.record(msgspec.structs.replace(stale, owner="two")) is False


async def test_a_lease_that_ran_out_but_was_not_taken_still_counts(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], lease=Lease("one", 1.0))
    assert await store.predictions.record(msgspec.structs.replace(make.done(prediction), owner="one")) is True


async def test_an_unleased_prediction_has_no_owner(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    assert await store.predictions.record(msgspec.structs.replace(make.done(prediction), owner="one")) is False


async def test_events_are_read_from_any_point(store: Store, make):
    prediction = make.prediction()
    first = make.events(Kind.QUEUED, Kind.ASSIGNED, data={"instance": "i"})
    await store.predictions.create(prediction, first)
    second = make.events(Kind.STARTED, Kind.LOG, Kind.OUTPUT, start=2, data="so\u0000me")
    await store.predictions.record(Change(prediction=prediction, events=second))
    third = make.events(Kind.OUTPUT, start=5)
    await store.predictions.record(Change(prediction=prediction, events=third, soft=True))
    everything = [*first, *second, *third]
    for after in range(-1, 7):
        assert await store.predictions.events(prediction.id, after) == everything[after + 1 :]
    assert await store.predictions.events(prediction.id) == everything


async def test_an_event_is_stored_once_and_with_its_change(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, make.events(Kind.QUEUED))
    again = Change(prediction=changed(prediction, phase=Phase.ASSIGNED), events=make.events(Kind.ASSIGNED))
    with pytest.raises(Conflict):
        await store.predictions.record(again)
    assert await store.predictions.get(prediction.id) == prediction
    assert [e.kind for e in await store.predictions.events(prediction.id)] == [Kind.QUEUED]


async def test_a_cancel_is_requested_once(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], lease=Lease("one", 10.0))
    assert await store.queue.cancels("one") == []
    assert await store.predictions.request_cancel(prediction.id, 5.5) is True
    assert await store.predictions.request_cancel(prediction.id, 6.5) is False
    assert await store.queue.cancels("one") == [prediction.id]
    assert await store.queue.cancels("two") == []
    found = await store.predictions.get(prediction.id)
    assert found is not None
    assert found.cancel_requested_at == 5.5


async def test_a_change_made_before_a_cancel_request_does_not_erase_it(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], lease=Lease("one", 10.0))
    await store.predictions.request_cancel(prediction.id, 5.5)
    await store.predictions.record(Change(prediction=changed(prediction, phase=Phase.ASSIGNED), owner="one"))
    found = await store.predictions.get(prediction.id)
    assert found is not None
    assert (found.phase, found.cancel_requested_at) == (Phase.ASSIGNED, 5.5)
    assert await store.queue.cancels("one") == [prediction.id]
    await store.predictions.record(make.done(found, Phase.CANCELED))
    assert await store.queue.cancels("one") == []


async def test_runs_are_counted_when_predictions_are_created(store: Store, make):
    model = make.model(owner="acme", name="counted", run_count=3)
    await store.models.create(model)
    predictions = [make.prediction(model="acme/counted") for _ in range(30)]
    await asyncio.gather(*[store.predictions.create(p, []) for p in predictions])
    with pytest.raises(Conflict):
        await store.predictions.create(predictions[0], [])
    await store.predictions.record(make.done(predictions[0]))
    found = await store.models.get("acme", "counted")
    assert found is not None
    assert found.run_count == 33
    assert (await store.models.page()).items == []
    assert [m.run_count for m in (await store.models.page(account_id="acme")).items] == [33]


async def test_a_page_holds_one_accounts_predictions_of_a_kind(store: Store, make):
    mine = [make.prediction() for _ in range(3)]
    others = [make.prediction(account_id="other"), make.prediction(kind=PredictionKind.TRAINING)]
    for prediction in [*mine, *others]:
        await store.predictions.create(prediction, [])
    page = await store.predictions.page("acme", PredictionKind.PREDICTION)
    assert page.items == mine[::-1]
    assert (page.older, page.newer) == (None, None)
    assert (await store.predictions.page("acme", PredictionKind.TRAINING)).items == [others[1]]


async def test_pages_walk_back_and_forth_over_equal_times(store: Store, make):
    predictions = [make.prediction(created_at=1_700_000_000.0 + n // 4) for n in range(11)]
    for prediction in predictions:
        await store.predictions.create(prediction, [])
    newest_first = sorted(predictions, key=lambda p: (p.created_at, p.id), reverse=True)
    pages, cursor = [], None
    while True:
        page = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=3, cursor=cursor)
        pages.append(page)
        cursor = page.older
        if cursor is None:
            break
    assert [p for page in pages for p in page.items] == newest_first
    assert [len(page.items) for page in pages] == [3, 3, 3, 2]
    assert pages[0].newer is None
    back = [pages[-1].items]
    cursor = pages[-1].newer
    while cursor is not None:
        page = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=3, cursor=cursor)
        back.append(page.items)
        assert page.older is not None
        cursor = page.newer
    assert back == [page.items for page in pages][::-1]


async def test_a_full_last_page_is_the_last(store: Store, make):
    for _ in range(4):
        await store.predictions.create(make.prediction(), [])
    first = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=2)
    second = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=2, cursor=first.older)
    assert len(second.items) == 2
    assert second.older is None


async def test_pages_stay_right_while_rows_come(store: Store, make):
    old = [make.prediction() for _ in range(6)]
    for prediction in old:
        await store.predictions.create(prediction, [])
    first = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=3)
    new = [make.prediction() for _ in range(4)]
    for prediction in new:
        await store.predictions.create(prediction, [])
    second = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=3, cursor=first.older)
    assert first.items + second.items == old[::-1]
    back = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=3, cursor=second.newer)
    assert back.items == first.items
    newer = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=3, cursor=back.newer)
    assert newer.items == new[2::-1]
    newest = await store.predictions.page("acme", PredictionKind.PREDICTION, limit=3, cursor=newer.newer)
    assert newest.items == [new[3]]
    assert newest.newer is None


async def test_a_page_can_be_bounded_in_time_and_by_source(store: Store, make):
    predictions = [make.prediction(source="web" if n % 2 else "api") for n in range(8)]
    for prediction in predictions:
        await store.predictions.create(prediction, [])

    async def listed(**bounds):
        page = await store.predictions.page("acme", PredictionKind.PREDICTION, **bounds)
        return page.items

    low, high = predictions[2].created_at, predictions[6].created_at
    assert await listed(created_after=low) == predictions[:1:-1]
    assert await listed(created_before=high) == predictions[5::-1]
    assert await listed(created_after=low, created_before=high) == predictions[5:1:-1]
    assert await listed(source="web") == predictions[7::-2]
    assert await listed(source="api") == predictions[6::-2]
    assert await listed(source="web", created_after=low, created_before=high) == predictions[5:1:-2]
    cursor = Cursor(predictions[5].created_at, predictions[5].id)
    assert await listed(source="web", created_after=low, cursor=cursor) == [predictions[3]]


async def test_scrub_removes_the_data_of_what_ended_long_ago(store: Store, make):
    old, recent, running = make.prediction(), make.prediction(), make.prediction()
    for prediction in (old, recent, running):
        await store.predictions.create(prediction, make.events(Kind.QUEUED), secrets=b"sealed")
    end = make.done(old, output={"secret": 1}, logs="secret", completed_at=100.0, metrics={"predict_time": 1.0})
    delivery = make.delivery(old, due_at=1.0)
    await store.predictions.record(msgspec.structs.replace(end, deliveries=[delivery]))
    await store.predictions.record(make.done(recent, completed_at=200.0))

    # Its webhook has not been heard yet.
    assert await store.predictions.scrub(200.0, 10) == []
    (claimed,) = await store.outbox.claim(5.0, 6.0, 10)
    sent = msgspec.structs.replace(claimed, state=DeliveryState.DELIVERED, attempts=1)
    await store.outbox.record(sent, make.attempt(sent))

    assert await store.predictions.scrub(200.0, 10) == [old.id]
    assert await store.predictions.scrub(200.0, 10) == []
    found = await store.predictions.get(old.id)
    assert found == changed(end.prediction, input={}, output=None, logs="", data_removed=True)
    assert await store.predictions.events(old.id) == []
    assert await store.outbox.of_prediction(old.id) == []
    for prediction in (recent, running):
        assert len(await store.predictions.events(prediction.id)) == 1
    assert await store.predictions.record(make.done(old)) is False


async def test_scrub_takes_the_oldest_up_to_its_limit(store: Store, make):
    predictions = [make.prediction() for _ in range(5)]
    for n, prediction in enumerate(predictions):
        await store.predictions.create(prediction, [])
        await store.predictions.record(make.done(prediction, completed_at=10.0 - n))
    oldest_first = [p.id for p in predictions[::-1]]
    assert sorted(await store.predictions.scrub(100.0, 3)) == sorted(oldest_first[:3])
    assert sorted(await store.predictions.scrub(100.0, 3)) == sorted(oldest_first[3:])


async def test_everything_survives_a_restart(reopen, make):
    store = await reopen()
    prediction = make.prediction()
    events = make.events(Kind.QUEUED)
    creating = store.predictions.create(prediction, events, lease=Lease("one", 50.0), secrets=b"sealed")
    await creating
    store = await reopen()
    assert await store.predictions.get(prediction.id) == prediction
    assert await store.predictions.events(prediction.id) == events
    assert await store.queue.claim("two", 49.0, 90.0, 5) == []
    (claim,) = await store.queue.claim("two", 50.0, 90.0, 5)
    assert (claim.prediction, claim.secrets, claim.delivered) == (prediction, b"sealed", False)


async def test_close_finishes_what_was_asked(reopen, make):
    store = await reopen()
    prediction = make.prediction()
    creating = store.predictions.create(prediction, [])
    store = await reopen()
    await creating
    assert await store.predictions.get(prediction.id) == prediction


async def test_ping(store: Store):
    await store.ping()
    await store.ping()


async def test_text_keeps_its_place_though_postgres_has_no_nul(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    end = make.done(prediction, output="a\u0000b", logs="a\u0000b", error="a\u0000b")
    assert await store.predictions.record(end)
    found = await store.predictions.get(prediction.id)
    assert found is not None
    assert found.output == "a\u0000b"
    assert {found.logs, found.error} <= {"a\u0000b", "a\ufffdb"}


async def test_a_returned_prediction_stays_queued_under_its_owner(store: Store, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [], lease=Lease("one", 10.0))
    running = changed(prediction, phase=Phase.RUNNING, started_at=1.0, attempt=1)
    back = changed(running, phase=Phase.QUEUED, started_at=None)
    assert await store.predictions.record(Change(prediction=running, owner="one"))
    assert await store.predictions.record(Change(prediction=back, owner="one"))
    assert await store.queue.claim("two", 9.0, 20.0, 5) == []
    assert await store.queue.renew("one", 30.0) == 1
    assert await store.predictions.get(prediction.id) == back
