"""Streams: the events of a prediction from any point on, stored ones first, live ones as they come."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, overload

from hearth import ids
from hearth.bus.base import Bus, Feed
from hearth.domain.events import TERMINAL, Event
from hearth.domain.prediction import Place, Prediction
from hearth.errors import NotFound
from hearth.store.base import Store

TOKEN_LENGTH = 52
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_CATCH_UP = 0.05
"""Seconds until the store is asked again for events that were published elsewhere and are being written."""
PACE = 2.0
"""Seconds between two looks at the place of a prediction that waits."""
_HELD = 1000
"""Events of another process that a reader may be behind; beyond that it reads them from the store."""


class Streams:
    def __init__(self, *, store: Store, bus: Bus, key: bytes, heartbeat: float = 10.0) -> None:
        """`key` makes the tokens; `heartbeat`: seconds of silence until None is yielded."""
        self._store = store
        self._bus = bus
        self._key = key
        self._heartbeat = heartbeat

    def token(self, prediction_id: str) -> str:
        """The unguessable part of a stream's URL: the id and a keyed hash of it. Nothing is stored."""
        digest = hmac.digest(self._key, prediction_id.encode(), "sha256")
        value = int.from_bytes(digest[:17], "big")
        return prediction_id + "".join([_DIGITS[(value >> shift) & 31] for shift in range(0, 130, 5)])

    def prediction_id(self, token: str) -> str | None:
        """None if this server did not make the token."""
        id = token[:26]
        if len(token) != TOKEN_LENGTH or not ids.PREDICTION_ID.fullmatch(id) or not token.isascii():
            return None
        return id if hmac.compare_digest(self.token(id), token) else None

    async def prediction(self, prediction_id: str) -> Prediction:
        """For holders of its token. Raises NotFound."""
        feed = self._bus.feed(prediction_id)
        found = feed.snapshot() if feed is not None else await self._store.predictions.get(prediction_id)
        if found is None:
            raise NotFound
        return found

    @overload
    def open(self, prediction_id: str, after: int = -1) -> AsyncGenerator[Sequence[Event] | None, None]: ...
    @overload
    def open(
        self, prediction_id: str, after: int = -1, *, places: Literal[True]
    ) -> AsyncGenerator[Sequence[Event] | Place | None, None]: ...
    async def open(
        self, prediction_id: str, after: int = -1, *, places: bool = False
    ) -> AsyncGenerator[Sequence[Event] | Place | None, None]:
        """Batches of the events with seq > `after`, each event once and in order, until the last one.

        None says that nothing happened for a while. With `places`, also where the prediction stands in line: at once
        if it waits, and whenever that has changed, looked up every PACE seconds. Raises NotFound at the first step if
        the prediction or its data is gone. Close it (`contextlib.aclosing`) when the reader leaves.
        """
        reader = _Reader(self._bus, self._store, prediction_id, after)
        try:
            if reader.feed is None:
                found = await self._store.predictions.get(prediction_id)
                if found is None or found.data_removed:
                    raise NotFound
                reader.ended = reader.ended or found.phase.terminal
            told: Place | None = None
            silence = 0.0
            while True:
                final = reader.ended  # before the look: what ended then has nothing to add afterwards
                batch = await reader.take()
                if batch:
                    silence = 0.0
                    yield batch
                    if batch[-1].kind in TERMINAL:
                        return
                    continue
                if final:
                    return
                place = reader.place() if places else None
                if place is not None and place != told:
                    told, silence = place, 0.0
                    yield place
                elif silence >= self._heartbeat:
                    silence = 0.0
                    yield None
                pace = self._heartbeat if place is None else min(PACE, self._heartbeat)
                if not await reader.wait(pace):
                    silence += pace
        finally:
            reader.close()


class _Reader:
    """One reader's place in the list. It holds no copy of what a feed in this process has, so a slow reader
    costs nothing."""

    def __init__(self, bus: Bus, store: Store, id: str, after: int) -> None:
        self.ended = False
        self._bus = bus
        self._store = store
        self._id = id
        self._after = after
        self._live: list[Event] = []
        self._news = False
        self._gap = False
        self._waiter: asyncio.Future[bool] | None = None
        self.close = bus.listen(id, self._heard)  # first of all: what is published from now on is not missed
        self.feed: Feed | None = bus.feed(id)

    async def take(self) -> Sequence[Event]:
        """What is new; empty if there is nothing."""
        self._news = self._gap = False
        feed = self._bus.feed(self._id)
        self.feed = feed or self.feed  # a closed one still has the end
        batch = self._from_feed(self.feed) if self.feed is not None else ()
        if batch or feed is not None:
            return batch
        batch = self._from_live()
        if batch:
            return batch
        batch = await self._store.predictions.events(self._id, self._after)
        if batch:
            self._after = batch[-1].seq
        self._live = [event for event in self._live if event.seq > self._after]
        if self._live:
            self._news = self._live[0].seq == self._after + 1
            self._gap = not self._news
        return batch

    def place(self) -> Place | None:
        """Where it waits, if it does and an engine in this process has it."""
        return self.feed.place() if self.feed is not None else None

    async def wait(self, heartbeat: float) -> bool:
        """Until there is news; False if there was none in time."""
        if self._news:
            return True
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(_CATCH_UP if self._gap else heartbeat, self._wake, self._gap)
        try:
            return await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _heard(self, events: Sequence[Event], ended: bool) -> None:
        if self._bus.feed(self._id) is None:
            self._live.extend(events)
            if len(self._live) > _HELD:
                del self._live[:-1]  # a gap that the store fills
        self.ended = self.ended or ended
        self._news = True
        self._wake(True)

    def _wake(self, news: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(news)

    def _from_feed(self, feed: Feed) -> Sequence[Event]:
        """`seq` counts from 0 without gaps, so it is the index."""
        self._live.clear()
        batch = feed.events[max(self._after + 1, 0) :]
        if batch:
            self._after = batch[-1].seq
        return batch

    def _from_live(self) -> Sequence[Event]:
        """Events that came by the bus, as far as they join on to what the reader has."""
        batch: list[Event] = []
        for event in self._live:
            if event.seq == self._after + 1:
                batch.append(event)
                self._after = event.seq
        self._live = [event for event in self._live if event.seq > self._after]
        return batch
