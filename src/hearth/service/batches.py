"""Batches: many inputs for one model, fed to it a few at a time, behind everything that somebody waits for.

A batch is a row, a blob with its inputs, and the places of its predictions. One process feeds it and renews its claim;
after a crash whoever claims it next goes on where the places end. A place is noted before its prediction is made, so
each input is run once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.bus.base import Bus
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.batch import Batch, BatchState, Item, table_key
from hearth.domain.prediction import Phase, Prediction
from hearth.domain.priority import Priority
from hearth.errors import HearthError, InvalidRequest, InvalidVersion, LineFull, NotFound, Pointer
from hearth.service.predictions import Predictions
from hearth.service.tables import Prepared, prepared
from hearth.service.versions import Resolver
from hearth.store.base import Cursor, Page, Store

log = logging.getLogger(__name__)

WINDOW = 32
"""Predictions of one batch that wait or run at the same time: enough to fill instances that run several, few enough
that a canceled batch leaves nothing behind."""
LEASE = 30.0
"""Seconds for which a claim is believed."""
_AT_ONCE = 1000
"""Results that are read together."""
LOOK = 5.0
"""Seconds between looks at the store: ends in other processes have no news here."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is, in numbers of inputs."""

    waiting: int
    """Their predictions wait in line, or are not made yet."""
    running: int
    succeeded: int
    failed: int
    canceled: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One input and what became of it."""

    position: int
    input: dict[str, Any]
    prediction: Prediction | None


class Batches:
    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        bus: Bus,
        clock: Clock,
        versions: Resolver,
        predictions: Predictions,
        window: int = WINDOW,
        single: bool = True,
    ) -> None:
        """`single`: no other process shares the store, so what is claimed at the start was claimed by a dead one."""
        self._store, self._blobs, self._bus, self._clock = store, blobs, bus, clock
        self._versions, self._predictions, self._window = versions, predictions, window
        self._inherits = single
        self._owner = ids.sortable()
        self._fed: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    async def create(
        self, caller: Account, *, version: str, template: Mapping[str, Any], text: str, format: str, origin: str
    ) -> Batch:
        """From a table and what its rows fill; durable when it returns. Every input is checked before any is run.

        Raises InvalidVersion, and InvalidRequest with the first wrong rows.
        """
        found = await self._versions.resolve(caller, version=version)
        table = await asyncio.to_thread(prepared, found.schema, template, text, format)
        if table.wrong:
            raise InvalidRequest(errors=tuple(Pointer("/rows", f"rows: {why}") for why in table.wrong))
        given = set().union(*(input.keys() for input in table.inputs))
        if secret := sorted(found.schema.secret_fields & given):
            raise InvalidRequest(
                errors=(Pointer("/rows", f"rows: {secret[0]} is a secret, and a batch keeps its table"),)
            )
        lines = await asyncio.to_thread(_lines, table.inputs)
        id = ids.sortable()
        batch = Batch(
            id=id,
            account_id=caller.id,
            model=found.version.model,
            version=found.version.id,
            total=len(lines),
            source=table_key(id),
            created_at=self._clock.now(),
            origin=origin,
        )
        await self._blobs.put(batch.source, b"\n".join(lines))
        await self._store.batches.create(batch)
        self._wake.set()
        return batch

    async def preview(
        self, caller: Account, *, version: str, template: Mapping[str, Any], text: str, format: str
    ) -> Prepared:
        """What `create` would run; nothing is run or stored. Raises InvalidVersion."""
        found = await self._versions.resolve(caller, version=version)
        return await asyncio.to_thread(prepared, found.schema, template, text, format)

    async def get(self, caller: Account, id: str) -> Batch:
        """Raises NotFound."""
        batch = await self._store.batches.get(id)
        if batch is None or batch.account_id != caller.id:
            raise NotFound
        return batch

    async def page(self, caller: Account, cursor: Cursor | None = None, *, limit: int = 100) -> Page[Batch]:
        """Newest first."""
        return await self._store.batches.page(caller.id, limit=limit, cursor=cursor)

    async def progress(self, batch: Batch) -> Progress:
        counts = await self._store.batches.tally(batch.id)
        succeeded, failed = counts.get(Phase.SUCCEEDED, 0), counts.get(Phase.FAILED, 0)
        canceled = counts.get(Phase.CANCELED, 0) + counts.get(Phase.ABORTED, 0)
        running = counts.get(Phase.RUNNING, 0)
        left = batch.total - succeeded - failed - canceled - running
        if batch.state in (BatchState.CANCELED, BatchState.FAILED):
            canceled, left = canceled + left, 0
        return Progress(waiting=left, running=running, succeeded=succeeded, failed=failed, canceled=canceled)

    async def cancel(self, caller: Account, id: str) -> Batch:
        """No more predictions are made, and those that wait or run are canceled."""
        batch = await self.get(caller, id)
        if await self._store.batches.end(id, BatchState.CANCELED, "", self._clock.now()):
            task = self._fed.pop(id, None)
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            await self._cancel_open(caller, batch)
        return await self.get(caller, id)

    async def results(self, batch: Batch, *, after: int = -1, count: int | None = None) -> AsyncIterator[Result]:
        """The inputs behind a place, `count` or all, in order, with what became of them so far."""
        lines = (await self._blobs.get(batch.source)).split(b"\n")
        position, last = after + 1, len(lines) if count is None else min(len(lines), after + 1 + count)
        while position < last:
            items = await self._store.batches.items(batch.id, after=position - 1, limit=min(last - position, _AT_ONCE))
            found = {item.position: await self._store.predictions.get(item.prediction_id) for item in items}
            end = min(items[-1].position + 1, last) if items else last
            for place in range(position, end):
                input = msgspec.json.decode(lines[place])
                yield Result(position=place, input=input, prediction=found.get(place))
            position = end

    async def run(self) -> None:
        """Claim what runs and feed it, for as long as the server does."""
        while True:
            self._wake.clear()
            now = self._clock.now()
            try:
                over = now + LEASE if self._inherits else now
                claimed = await self._store.batches.claim(self._owner, over, now + LEASE)
                self._inherits = False
            except HearthError as error:
                log.warning("batches wait: %s", error.message, extra={"action": "batches.wait"})
                claimed = []
            for batch in claimed:
                if batch.id not in self._fed:
                    task = asyncio.create_task(self._feed(batch), name=f"batch {batch.id}")
                    self._fed[batch.id] = task
                    task.add_done_callback(lambda _, id=batch.id: self._fed.pop(id, None))  # type: ignore[misc]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LEASE / 3)

    async def close(self) -> None:
        """Stop feeding; the next start goes on."""
        tasks = list(self._fed.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _feed(self, batch: Batch) -> None:
        try:
            account = await self._store.accounts.get(batch.account_id)
            if account is None:
                raise NotFound("Its account is gone.")
            await _Feeder(self, batch, account, await self._inputs(batch)).run()
        except (InvalidVersion, NotFound) as error:
            await self._store.batches.end(batch.id, BatchState.FAILED, error.message, self._clock.now())
            log.warning("batch %s ends: %s", batch.id, error.message, extra={"action": "batch.failed"})
        except Exception:  # the boundary of a background task: told once, tried again with the next claim
            log.exception("batch %s stopped; it is taken up again", batch.id, extra={"action": "batch.stopped"})

    async def _inputs(self, batch: Batch) -> list[dict[str, Any]]:
        data = await self._blobs.get(batch.source)
        return [msgspec.json.decode(line) for line in data.split(b"\n")]

    async def _cancel_open(self, caller: Account, batch: Batch) -> None:
        async for result in self.results(batch):
            prediction = result.prediction
            if prediction is not None and not prediction.phase.terminal:
                await self._predictions.cancel(caller, prediction.id)


class _Feeder:
    """Keeps a window of one batch's predictions in line until all have ended."""

    def __init__(self, batches: Batches, batch: Batch, account: Account, made: Sequence[dict[str, Any]]) -> None:
        self._batches, self._batch, self._account, self._made = batches, batch, account, made
        self._open: set[str] = set()
        self._heard: dict[str, Any] = {}
        """What ends the listening, by prediction."""
        self._news = asyncio.Event()

    async def run(self) -> None:
        store, clock = self._batches._store, self._batches._clock
        try:
            position = await self._take_up()
            while position < len(self._made) or self._open:
                count = min(self._batches._window - len(self._open), len(self._made) - position)
                if count > 0:
                    items = [Item(position + n, ids.sortable()) for n in range(count)]
                    await store.batches.place(self._batch.id, items)
                    for item in items:
                        await self._make(item)
                    position += count
                    continue
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOK)
                    continue
                await self._look()
            await store.batches.end(self._batch.id, BatchState.COMPLETED, "", clock.now())
        finally:
            for forget in self._heard.values():
                forget()

    async def _take_up(self) -> int:
        """What an earlier process began; the first place that is free."""
        store, after = self._batches._store, -1
        while items := await store.batches.items(self._batch.id, after=after):
            for item in items:
                known = await store.predictions.get(item.prediction_id)
                if known is None:
                    await self._make(item)
                elif not known.phase.terminal:
                    self._watch(item.prediction_id)
            after = items[-1].position
        await self._look()
        return after + 1

    async def _make(self, item: Item) -> None:
        self._watch(item.prediction_id)
        while True:
            try:
                await self._batches._predictions.create(
                    self._account,
                    version=self._batch.version,
                    input=self._made[item.position],
                    priority=Priority.BATCH,
                    id=item.prediction_id,
                    origin=self._batch.origin,
                )
                return
            except LineFull as error:
                await self._batches._clock.sleep(error.reset)

    def _watch(self, id: str) -> None:
        loop = asyncio.get_running_loop()

        def heard(events: object, ended: bool) -> None:
            if ended:
                loop.call_soon(self._over, id)  # not while listeners are being called

        self._open.add(id)
        self._heard[id] = self._batches._bus.listen(id, heard)

    def _over(self, id: str) -> None:
        self._open.discard(id)
        self._heard.pop(id, lambda: None)()
        self._news.set()

    async def _look(self) -> None:
        """Ends that were not heard of."""
        for id in list(self._open):
            known = await self._batches._store.predictions.get(id)
            if known is None or known.phase.terminal:  # with its version, it may be gone altogether
                self._over(id)


def _lines(made: Sequence[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(input, ensure_ascii=False).encode() for input in made]
