"""Creating, holding, reading and cancelling predictions."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from hearth.bus.base import CancelRequested, DeliveryDue, NewPrediction, Withdrawn
from hearth.domain.account import Account
from hearth.domain.events import Event, Kind
from hearth.domain.file import FileKind, parse_reference
from hearth.domain.lane import of_version
from hearth.domain.prediction import Phase, Prediction, Step, transition
from hearth.domain.priority import Priority
from hearth.domain.webhook import Attempt, Delivery, DeliveryState
from hearth.errors import Conflict, InvalidInput, InvalidRequest, InvalidVersion, LineFull, NotFound
from hearth.store.base import Change

URI = {"type": "string", "format": "uri"}
ORIGIN = "https://localhost:8700"


def document(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    found = {"type": "object", "title": "Input", "properties": properties, "required": list(required)}
    return {"openapi": "3.0.2", "components": {"schemas": {"Input": found, "Output": {"type": "string"}}}}


async def submitted(engine: Any) -> Prediction:
    """The next prediction that the engine is told of."""
    found: Prediction = (await engine.heard(NewPrediction)).prediction
    return found


async def test_a_created_prediction_is_stored_queued_and_leased(hearth: Any, engine: Any, ann: Account) -> None:
    _, version = await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN)
    assert (made.model, made.version, made.phase, made.events) == ("ann/echo", version.id, Phase.QUEUED, 1)
    assert await hearth.store.predictions.get(made.id) == made
    assert await hearth.store.predictions.events(made.id) == [Event(0, Kind.QUEUED, made.created_at, {})]
    lane = of_version(version.id, engine.works[0].lane.hardware)
    assert engine.works == [NewPrediction(prediction=made, version=version, lane=lane)]
    assert await hearth.store.queue.claim("other", made.created_at, made.created_at + 5, 10) == []


async def test_without_an_engine_it_waits_in_the_queue_for_anybody(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN)
    claims = await hearth.store.queue.claim("other", made.created_at, made.created_at + 5, 10)
    assert [claim.prediction.id for claim in claims] == [made.id]


async def test_a_held_prediction_returns_when_it_has_ended(hearth: Any, engine: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    held = asyncio.create_task(
        hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, hold=30)
    )
    prediction = await submitted(engine)
    engine.take(prediction)
    ended = await engine.finish(prediction.id, "hi")
    assert await held == ended
    assert ended.phase is Phase.SUCCEEDED
    assert hearth.bus._listeners == {}


async def test_a_hold_that_runs_out_returns_it_as_created(hearth: Any, engine: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    held = asyncio.create_task(
        hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, hold=0.05)
    )
    prediction = await submitted(engine)
    engine.take(prediction)
    engine.emit(prediction.id, "h")
    made = await held
    assert (made.phase, made.output, made.started_at) == (Phase.QUEUED, None, None)
    assert hearth.bus._listeners == {}


async def finished_elsewhere(hearth: Any) -> Prediction:
    """Another process's engine takes the prediction from the queue and ends it."""
    await asyncio.sleep(0)  # the create has been handed to the writer, which keeps the order
    running = (await hearth.store.queue.claim("elsewhere", 0.0, 9e9, 1))[0].prediction
    for step in (Step.ASSIGN, Step.START, Step.SUCCEED):
        running = transition(running, step, 5.0)
    assert await hearth.store.predictions.record(Change(prediction=running, owner="elsewhere"))
    found: Prediction = running
    return found


async def test_a_hold_without_an_engine_ends_with_what_the_store_says(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    await hearth.resolver.resolve(ann, version="ann/echo")
    held = asyncio.create_task(
        hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, hold=0.5)
    )
    ended = await finished_elsewhere(hearth)
    assert await held == ended


async def test_a_hold_without_an_engine_hears_of_the_end(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    await hearth.resolver.resolve(ann, version="ann/echo")
    held = asyncio.create_task(
        hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, hold=60)
    )
    ended = await finished_elsewhere(hearth)
    hearth.bus.publish(ended.id, [], ended=True)
    assert await held == ended


async def test_a_caller_who_leaves_cancels_nothing(hearth: Any, engine: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    held = asyncio.create_task(
        hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, hold=30)
    )
    prediction = await submitted(engine)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
    assert [type(work) for work in engine.works] == [NewPrediction]
    assert hearth.bus._listeners == {}
    engine.take(prediction)
    await engine.finish(prediction.id, "hi")
    assert (await hearth.predictions.get(ann, prediction.id)).output == "hi"


async def test_what_could_not_be_stored_is_withdrawn(
    hearth: Any, engine: Any, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hearth.version(ann, "echo")
    monkeypatch.setattr("hearth.service.predictions.ids.sortable", lambda: "0" * 26)
    await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN)
    with pytest.raises(Conflict):
        await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN)
    assert engine.works[-1] == Withdrawn(prediction_id="0" * 26)


async def test_an_unordered_store_is_waited_for_before_the_engine_hears(
    hearth: Any, engine: Any, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hearth.version(ann, "echo")
    monkeypatch.setattr(hearth.store.predictions, "ordered", False)
    monkeypatch.setattr("hearth.service.predictions.ids.sortable", lambda: "0" * 26)
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN)
    assert [work.prediction for work in engine.new] == [made]
    with pytest.raises(Conflict):
        await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, hold=5)
    assert len(engine.works) == 1
    assert hearth.bus._listeners == {}


async def test_options_are_recorded(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(
        ann,
        version="ann/echo",
        input={"prompt": "hi"},
        origin=ORIGIN,
        source="web",
        webhook="http://h.example/hook?a=1",
        webhook_events=["start", "completed", "start"],
        cancel_after=5,
    )
    assert made.webhook_events == ("start", "completed")
    assert made.deadline == made.created_at + 5
    assert (made.origin, made.source, made.webhook) == (ORIGIN, "web", "http://h.example/hook?a=1")


async def test_webhooks_get_output_and_completed_by_default(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(
        ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, webhook="https://h.example"
    )
    assert made.webhook_events == ("output", "completed")


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"webhook": "ftp://h/x"}, "/webhook"),
        ({"webhook": "https://"}, "/webhook"),
        ({"webhook": "https://h/a b"}, "/webhook"),
        ({"webhook": "https://h:99999/"}, "/webhook"),
        ({"webhook": "https://[::1/"}, "/webhook"),
        ({"webhook": "https://h/" + "x" * 3000}, "/webhook"),
        ({"webhook_events": ["done"]}, "/webhook_events_filter/0"),
        ({"cancel_after": 4.9}, "/cancel_after"),
        ({"cancel_after": 86401}, "/cancel_after"),
        ({"cancel_after": float("nan")}, "/cancel_after"),
    ],
)
async def test_wrong_options_are_refused(
    hearth: Any, engine: Any, ann: Account, options: dict[str, Any], pointer: str
) -> None:
    await hearth.version(ann, "echo")
    with pytest.raises(InvalidRequest) as caught:
        await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN, **options)
    assert [error.pointer for error in caught.value.errors] == [pointer]
    assert engine.works == []


async def test_a_wrong_input_is_refused(hearth: Any, engine: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    with pytest.raises(InvalidInput):
        await hearth.predictions.create(ann, version="ann/echo", input={}, origin=ORIGIN)
    assert engine.works == []


async def test_secrets_are_masked_in_the_row_and_sealed_in_the_queue(hearth: Any, engine: Any, ann: Account) -> None:
    secret = {"type": "string", "format": "password", "x-cog-secret": True}
    await hearth.version(ann, "s", document({"key": secret, "keys": {"type": "array", "items": secret}, "n": secret}))
    made = await hearth.predictions.create(
        ann, version="ann/s", input={"key": "k1-secret", "keys": ["k2-secret"], "n": None}, origin=ORIGIN
    )
    assert made.input == {"key": "**********", "keys": ["**********"]}
    sealed = engine.new[0].secrets
    assert msgspec.json.decode(hearth.sealer.open(sealed)) == {"key": "k1-secret", "keys": ["k2-secret"]}
    claims = await hearth.store.queue.claim("later", made.created_at + 100, made.created_at + 200, 1)
    assert claims[0].secrets == sealed
    assert b"secret" not in sealed


async def chunks(*parts: bytes) -> Any:
    for part in parts:
        yield part


async def test_own_uploads_become_references_on_any_host(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "f", document({"f": URI, "l": {"type": "array", "items": URI}}))
    file = await hearth.files.upload(ann, name="a.txt", content_type="text/plain", metadata={}, chunks=chunks(b"x"))
    made = await hearth.predictions.create(
        ann,
        version="ann/f",
        input={
            "f": f"http://10.0.0.1:8700/v1/files/{file.id}",
            "l": [f"https://x.example/v1/files/{file.id}/a.txt?y=1", "https://x.example/a.txt", file.reference],
        },
        origin=ORIGIN,
    )
    assert made.input == {
        "f": file.reference,
        "l": [file.reference, "https://x.example/a.txt", file.reference],
    }


async def test_uploads_of_others_are_refused(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "f", document({"f": URI}), public=True)
    file = await hearth.files.upload(ann, name="a.txt", content_type="text/plain", metadata={}, chunks=chunks(b"x"))
    for value in (f"{ORIGIN}/v1/files/{file.id}", f"{ORIGIN}/v1/files/{file.id}/a.txt", file.reference):
        with pytest.raises(InvalidInput) as caught:
            await hearth.predictions.create(bob, version="ann/f", input={"f": value}, origin=ORIGIN)
        assert caught.value.fields[0].field == "input.f"


async def test_an_output_may_be_an_input_for_whoever_knows_its_url(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "f", document({"f": URI}), public=True)
    upload = await hearth.files.upload(ann, name="o.txt", content_type="text/plain", metadata={}, chunks=chunks(b"x"))
    output = msgspec.structs.replace(upload, id="0" * 26, kind=FileKind.OUTPUT, expires_at=None)
    await hearth.store.files.add(output)
    made = await hearth.predictions.create(
        bob, version="ann/f", input={"f": f"{ORIGIN}/v1/files/{output.id}/o.txt"}, origin=ORIGIN
    )
    assert made.input == {"f": output.reference}
    with pytest.raises(InvalidInput):
        await hearth.predictions.create(
            bob, version="ann/f", input={"f": f"{ORIGIN}/v1/files/{output.id}/other"}, origin=ORIGIN
        )


async def test_large_data_is_kept_as_a_file(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "f", document({"f": URI}))
    small = "data:text/plain;base64,aGk="
    made = await hearth.predictions.create(ann, version="ann/f", input={"f": small}, origin=ORIGIN)
    assert made.input == {"f": small}
    large = "data:image/png;base64," + "AAAA" * 100
    made = await hearth.predictions.create(ann, version="ann/f", input={"f": large}, origin=ORIGIN)
    id, name = parse_reference(made.input["f"]) or ("", "")
    file = await hearth.files.open(id, name)
    assert (file.kind, file.size, file.content_type, name) == (FileKind.INPUT, 300, "image/png", "file.png")
    assert file.prediction_id == made.id
    assert await hearth.blobs.get(file.key) == b"\0" * 300
    text = "data:text/plain,%41" + "b" * 200
    made = await hearth.predictions.create(ann, version="ann/f", input={"f": text}, origin=ORIGIN)
    file = await hearth.files.open((parse_reference(made.input["f"]) or ("", ""))[0])
    assert await hearth.blobs.get(file.key) == b"A" + b"b" * 200


async def test_broken_data_is_refused(hearth: Any, ann: Account) -> None:
    await hearth.version(ann, "f", document({"f": URI}))
    with pytest.raises(InvalidInput, match="base64"):
        await hearth.predictions.create(
            ann, version="ann/f", input={"f": "data:image/png;base64," + "!" * 200}, origin=ORIGIN
        )


async def test_get_shows_a_running_one_as_it_is_now(hearth: Any, engine: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    assert await hearth.predictions.get(ann, made.id) == made
    engine.take(made)
    assert (await hearth.predictions.get(ann, made.id)).phase is Phase.RUNNING
    with pytest.raises(NotFound):
        await hearth.predictions.get(bob, made.id)
    await engine.finish(made.id, "x")
    assert (await hearth.predictions.get(ann, made.id)).output == "x"
    for id in (made.id, "../x", "0" * 26):
        with pytest.raises(NotFound):
            await hearth.predictions.get(bob, id)


async def test_cancel_waits_for_the_end(hearth: Any, engine: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    engine.take(made)
    with pytest.raises(NotFound):
        await hearth.predictions.cancel(bob, made.id)
    asked = asyncio.create_task(hearth.predictions.cancel(ann, made.id))
    await engine.heard(CancelRequested)
    await engine.finish(made.id, step=Step.CANCEL)
    assert (await asked).phase is Phase.CANCELED
    assert (await hearth.predictions.cancel(ann, made.id)).phase is Phase.CANCELED
    assert engine.works.count(CancelRequested(prediction_id=made.id, by="ann")) == 1
    stored = await hearth.store.predictions.get(made.id)
    assert stored.cancel_requested_at is not None


async def test_cancel_of_one_that_ends_by_itself_meanwhile(
    hearth: Any, engine: Any, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    engine.take(made)
    request = hearth.store.predictions.request_cancel

    async def late(id: str, at: float) -> bool:
        await engine.finish(id, "x")
        asked: bool = await request(id, at)
        return asked

    monkeypatch.setattr(hearth.store.predictions, "request_cancel", late)
    assert (await hearth.predictions.cancel(ann, made.id)).phase is Phase.SUCCEEDED
    assert not any(isinstance(work, CancelRequested) for work in engine.works)


async def test_timeline_comes_from_memory_or_the_store(hearth: Any, engine: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    engine.take(made)
    engine.emit(made.id, "a")
    assert [e.kind for e in await hearth.predictions.timeline(ann, made.id)] == [Kind.QUEUED, Kind.OUTPUT]
    await engine.finish(made.id)
    assert [e.seq for e in await hearth.predictions.timeline(ann, made.id)] == [0, 1, 2]
    with pytest.raises(NotFound):
        await hearth.predictions.timeline(bob, made.id)


async def test_deliveries_are_shown_and_sent_again(hearth: Any, engine: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    delivery = Delivery(
        id="msg_1",
        prediction_id=made.id,
        account_id=ann.id,
        event="start",
        url="http://h/",
        body=b"{}",
        created_at=1.0,
        due_at=1.0,
    )
    await hearth.store.predictions.record(Change(prediction=made, deliveries=[delivery]))
    with pytest.raises(NotFound):
        await hearth.predictions.replay(ann, "msg_1")
    failed = msgspec.structs.replace(delivery, state=DeliveryState.FAILED, attempts=1)
    await hearth.store.outbox.record(failed, Attempt(delivery_id="msg_1", number=1, at=2.0, duration=0.1, status=500))
    found = await hearth.predictions.deliveries(ann, made.id)
    assert [(d.id, [a.status for a in attempts]) for d, attempts in found] == [("msg_1", [500])]
    assert len((await hearth.predictions.outbox(ann)).items) == 1
    assert (await hearth.predictions.outbox(bob)).items == []
    with pytest.raises(NotFound):
        await hearth.predictions.replay(bob, "msg_1")
    await hearth.predictions.replay(ann, "msg_1")
    assert engine.works[-1] == DeliveryDue()


async def test_pages_hold_the_callers_own(hearth: Any, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "echo", public=True)
    mine = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    await hearth.predictions.create(bob, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    assert [p.id for p in (await hearth.predictions.page(ann)).items] == [mine.id]


async def test_a_private_model_of_somebody_else_is_no_version(hearth: Any, ann: Account, bob: Account) -> None:
    _, version = await hearth.version(ann, "echo")
    for reference in ("ann/echo", f"ann/echo:{version.id}", version.id, "ann/echo:latest"):
        with pytest.raises(InvalidVersion):
            await hearth.predictions.create(bob, version=reference, input={"prompt": "x"}, origin=ORIGIN)
    with pytest.raises(NotFound):
        await hearth.predictions.create(bob, model=("ann", "echo"), input={"prompt": "x"}, origin=ORIGIN)


@pytest.mark.parametrize(
    ("ceiling", "options", "priority"),
    [
        (Priority.INTERACTIVE, {}, Priority.NORMAL),
        (Priority.INTERACTIVE, {"streamed": True}, Priority.INTERACTIVE),
        (Priority.INTERACTIVE, {"source": "web"}, Priority.INTERACTIVE),
        (Priority.INTERACTIVE, {"streamed": True, "priority": Priority.BATCH}, Priority.BATCH),
        (Priority.BATCH, {"source": "web"}, Priority.BATCH),
        (Priority.BATCH, {"priority": Priority.BATCH}, Priority.BATCH),
        (Priority.NORMAL, {"streamed": True}, Priority.NORMAL),
    ],
)
async def test_who_looks_on_goes_first_as_far_as_the_token_allows(
    hearth: Any, ann: Account, ceiling: Priority, options: dict[str, Any], priority: Priority
) -> None:
    await hearth.version(ann, "echo")
    caller = msgspec.structs.replace(ann, ceiling=ceiling)
    made = await hearth.predictions.create(caller, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, **options)
    assert made.priority is priority
    assert (await hearth.store.predictions.get(made.id)).priority is priority


async def test_a_token_cannot_ask_for_more_than_it_may(hearth: Any, engine: Any, ann: Account) -> None:
    await hearth.version(ann, "echo")
    token = await hearth.accounts.new_token(ann, "nightly", Priority.BATCH)
    caller = await hearth.accounts.authenticate(token)
    for asked in (Priority.INTERACTIVE, Priority.NORMAL):
        with pytest.raises(InvalidRequest, match="more than this token may ask for, which is batch"):
            await hearth.predictions.create(
                caller, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN, priority=asked
            )
    with pytest.raises(InvalidRequest, match="more than your own token may ask for"):
        await hearth.accounts.new_token(caller, "more", Priority.NORMAL)
    assert (await hearth.accounts.authenticate(await hearth.accounts.new_token(caller, "as much"))).ceiling is (
        Priority.BATCH
    )
    assert engine.works == []


async def test_a_full_line_takes_no_more(
    hearth: Any, engine: Any, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, version = await hearth.version(ann, "echo")
    asked: list[tuple[str, Priority]] = []

    def full(lane: str, priority: Priority) -> float:
        asked.append((lane, priority))
        return 7.2

    monkeypatch.setattr(hearth.predictions, "_full", full)
    with pytest.raises(LineFull) as error:
        await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN)
    assert error.value.reset == 8
    assert [priority for _, priority in asked] == [Priority.NORMAL]
    assert asked[0][0].startswith(version.id)
    assert engine.works == []
