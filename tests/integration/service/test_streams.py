"""Streams: every event once, in order, from any point on, whoever has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from msgspec.structs import replace

from hearth.domain.account import Account
from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Place, Prediction, Step, transition
from hearth.errors import NotFound
from hearth.service import streams
from hearth.store.base import Change

ORIGIN = "https://localhost:8700"
Stream = AsyncGenerator[Sequence[Event] | None, None]


async def make(hearth: Any, ann: Account) -> Prediction:
    await hearth.version(ann, "echo")
    made: Prediction = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "x"}, origin=ORIGIN)
    return made


async def numbers(stream: Stream) -> list[int]:
    """The sequence numbers of all that comes, to the end."""
    found: list[int] = []
    async with asyncio.timeout(60), aclosing(stream):
        async for batch in stream:
            found += [event.seq for event in batch or ()]
    return found


async def batch(stream: Stream) -> list[Event]:
    """The next events, heartbeats left out."""
    async with asyncio.timeout(60):
        async for found in stream:
            if found is not None:
                return list(found)
    pytest.fail("the stream ended")


def test_tokens_cannot_be_forged(hearth: Any) -> None:
    id = "0123456789abcdefghjkmnpqrs"
    token = hearth.streams.token(id)
    assert len(token) == 52
    assert token.isalnum()
    assert token == token.lower()
    assert hearth.streams.prediction_id(token) == id
    for forged in (token[:-1] + ("0" if token[-1] != "0" else "1"), "1" + token[1:], id, token + "0", "é" * 52, ""):
        assert hearth.streams.prediction_id(forged) is None


async def test_a_reader_from_the_start_gets_all(hearth: Any, engine: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    engine.take(made)
    engine.emit(made.id, "a", "b")
    reading = asyncio.create_task(numbers(hearth.streams.open(made.id)))
    await asyncio.sleep(0)
    engine.emit(made.id, "c")
    await engine.finish(made.id)
    assert await reading == [0, 1, 2, 3, 4]
    assert hearth.bus._listeners == {}


async def test_a_live_reader_gets_each_chunk_as_it_comes(hearth: Any, engine: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    engine.take(made)
    async with aclosing(hearth.streams.open(made.id, 0)) as stream:
        for number in range(1, 4):
            waiting = asyncio.create_task(batch(stream))
            await asyncio.sleep(0)
            engine.emit(made.id, "x")
            assert [event.seq for event in await waiting] == [number]


async def test_late_and_repeated_readers_replay(hearth: Any, engine: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    engine.take(made)
    engine.emit(made.id, "a", "b")
    await engine.finish(made.id)
    for after, expected in ((-1, [0, 1, 2, 3]), (1, [2, 3]), (2, [3]), (3, []), (99, [])):
        assert await numbers(hearth.streams.open(made.id, after)) == expected


async def test_silence_is_told(hearth: Any, engine: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    engine.take(made)
    async with asyncio.timeout(60), aclosing(hearth.streams.open(made.id)) as stream:
        assert await anext(stream) is not None
        assert await anext(stream) is None
        assert await anext(stream) is None
        engine.emit(made.id, "x")
        found = await batch(stream)
        assert [event.data for event in found] == ["x"]


async def test_a_reader_of_a_waiting_prediction_goes_on_when_it_is_taken(
    hearth: Any, engine: Any, ann: Account
) -> None:
    made = await make(hearth, ann)
    async with aclosing(hearth.streams.open(made.id)) as stream:
        assert [event.kind for event in await batch(stream)] == [Kind.QUEUED]
        waiting = asyncio.create_task(batch(stream))
        await asyncio.sleep(0)
        engine.take(made)
        engine.emit(made.id, "x")
        assert [event.seq for event in await waiting] == [1]


async def test_a_slow_reader_misses_nothing(hearth: Any, engine: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    engine.take(made)
    async with aclosing(hearth.streams.open(made.id)) as stream:
        await batch(stream)
        for number in range(5000):
            engine.emit(made.id, number)
        await engine.finish(made.id)
        assert await numbers(stream) == list(range(1, 5002))


async def test_many_readers_at_different_places(hearth: Any, engine: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    engine.take(made)
    readers = []
    for round in range(10):
        readers.append(asyncio.create_task(numbers(hearth.streams.open(made.id, round - 1))))
        engine.emit(made.id, "x")
        await asyncio.sleep(0)
    await engine.finish(made.id)
    for first, found in enumerate(await asyncio.gather(*readers)):
        assert found == list(range(first, 12))


async def test_an_engine_elsewhere_is_followed_by_bus_and_store(hearth: Any, ann: Account) -> None:
    """No feed here: events come by the bus, before they are stored, after, twice, with gaps, or by number only."""
    made = await make(hearth, ann)
    (claim,) = await hearth.store.queue.claim("elsewhere", 0.0, 9e9, 1)
    row = claim.prediction
    for step in (Step.ASSIGN, Step.START):
        row = transition(row, step, 1.0)
    events = [Event(n, Kind.OUTPUT, 1.0, n) for n in range(1, 8)]

    async def store(*some: Event, prediction: Prediction = row) -> None:
        assert await hearth.store.predictions.record(Change(prediction=prediction, events=some, owner="elsewhere"))

    async with aclosing(hearth.streams.open(made.id)) as stream:
        assert [e.seq for e in await batch(stream)] == [0]
        hearth.bus.publish(made.id, events[0:1])
        assert [e.seq for e in await batch(stream)] == [1]
        await store(*events[0:1])
        hearth.bus.publish(made.id, events[0:2])
        assert [e.seq for e in await batch(stream)] == [2]
        await store(events[1])
        waiting = asyncio.create_task(batch(stream))
        await asyncio.sleep(0)
        hearth.bus.publish(made.id, events[3:4])  # 4: the news of 3 was lost, and 3 is not stored yet
        await store(*events[2:4])
        seen = [e.seq for e in await waiting]
        while seen[-1] < 4:
            seen += [e.seq for e in await batch(stream)]
        assert seen == [3, 4]
        await store(*events[4:6])
        hearth.bus.publish(made.id, [])  # by reference: look into the store
        assert [e.seq for e in await batch(stream)] == [5, 6]
        last = Event(7, Kind.SUCCEEDED, 2.0, {})
        await store(last, prediction=transition(row, Step.SUCCEED, 2.0))
        hearth.bus.publish(made.id, [last], ended=True)
        assert await numbers(stream) == [7]


async def test_an_end_that_came_by_number_only_is_read_from_the_store(hearth: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    (claim,) = await hearth.store.queue.claim("elsewhere", 0.0, 9e9, 1)
    async with aclosing(hearth.streams.open(made.id)) as stream:
        await batch(stream)
        ended = transition(claim.prediction, Step.CANCEL, 2.0)
        last = Event(1, Kind.CANCELED, 2.0, {})
        await hearth.store.predictions.record(Change(prediction=ended, events=[last], owner="elsewhere"))
        hearth.bus.publish(made.id, [], ended=True)
        assert await numbers(stream) == [1]


async def test_what_is_gone_is_not_found(hearth: Any, engine: Any, ann: Account) -> None:
    with pytest.raises(NotFound):
        await numbers(hearth.streams.open("0" * 26))
    with pytest.raises(NotFound):
        await hearth.streams.prediction("0" * 26)
    made = await make(hearth, ann)
    engine.take(made)
    await engine.finish(made.id)
    assert await hearth.store.predictions.scrub(9e12, 10) == [made.id]
    with pytest.raises(NotFound):
        await numbers(hearth.streams.open(made.id))


async def test_a_reader_who_leaves_is_forgotten(hearth: Any, engine: Any, ann: Account) -> None:
    made = await make(hearth, ann)
    engine.take(made)
    async with aclosing(hearth.streams.open(made.id)) as stream:
        await batch(stream)
        assert hearth.bus._listeners
    assert hearth.bus._listeners == {}


async def test_places_are_told_at_once_and_when_they_change(
    hearth: Any, engine: Any, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PACE", 0.01)
    await hearth.version(ann, "echo")
    made = await hearth.predictions.create(ann, version="ann/echo", input={"prompt": "hi"}, origin=ORIGIN)
    feed = engine.take(made)
    second, first = (Place(ahead=n, starts_at=None, because=f"{n} ahead") for n in (1, 0))
    feed.prediction = replace(made, place=second)
    async with asyncio.timeout(60), aclosing(hearth.streams.open(made.id, 0, places=True)) as stream:
        assert await anext(stream) == second
        following = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.05)
        assert not following.done()  # nothing changed
        feed.prediction = replace(made, place=first)
        assert await following == first
        feed.prediction = made
        engine.emit(made.id, "x")
        assert [event.data for event in await anext(stream)] == ["x"]
