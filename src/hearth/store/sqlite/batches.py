"""Batches and the predictions made of them."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from hearth.domain.batch import Batch, BatchState, Item
from hearth.domain.prediction import Phase
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.rows import BATCH, batch_of, batch_row, select
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("batches", BATCH)
SELECT = f"SELECT {select(BATCH, 'b')} FROM batches b"
GET = f"{SELECT} WHERE b.id = ?"
CLAIM = """
UPDATE batches SET owner = ?1, owned_until = ?3
WHERE state = 'running' AND (owner IS NULL OR owner = ?1 OR owned_until <= ?2)
"""
OWN = f"{SELECT} WHERE b.state = 'running' AND b.owner = ? ORDER BY b.id"
PLACE = "INSERT INTO batch_items (batch_id, position, prediction_id) VALUES (?, ?, ?)"
ITEMS = "SELECT position, prediction_id FROM batch_items WHERE batch_id = ? AND position > ? ORDER BY position LIMIT ?"
TALLY = """
SELECT p.phase, count(*) FROM batch_items i JOIN predictions p ON p.id = i.prediction_id
WHERE i.batch_id = ? GROUP BY p.phase
"""
END = "UPDATE batches SET state = ?, because = ?, completed_at = ? WHERE id = ? AND state = 'running'"


class SQLiteBatches:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def create(self, batch: Batch) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(INSERT, batch_row(batch))

        await self._writer.submit(operation)

    async def get(self, id: str) -> Batch | None:
        row = await self._readers.submit(lambda db: first(db, GET, (id,)))
        return batch_of(row) if row else None

    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Batch]:
        where = ("b.account_id = ?",)
        rows = await self._readers.submit(lambda db: walk(db, SELECT, "b", where, (account_id,), limit, cursor))
        return page([batch_of(row) for row in rows], limit, cursor, lambda b: (b.created_at, b.id))

    async def claim(self, owner: str, now: float, until: float) -> list[Batch]:
        def operation(db: apsw.Connection) -> list[Batch]:
            db.execute(CLAIM, (owner, now, until))
            return [batch_of(row) for row in fetch(db, OWN, (owner,))]

        return await self._writer.submit(operation)

    async def place(self, id: str, items: Sequence[Item]) -> None:
        def operation(db: apsw.Connection) -> None:
            with conflict("A place in this batch is taken, or the batch is gone."):
                db.executemany(PLACE, [(id, *item) for item in items])

        await self._writer.submit(operation)

    async def items(self, id: str, *, after: int = -1, limit: int = 1000) -> list[Item]:
        return [Item(*row) for row in await self._readers.submit(lambda db: fetch(db, ITEMS, (id, after, limit)))]

    async def tally(self, id: str) -> dict[Phase, int]:
        rows = await self._readers.submit(lambda db: fetch(db, TALLY, (id,)))
        return {Phase(phase): count for phase, count in rows}

    async def end(self, id: str, state: BatchState, because: str, at: float) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(END, (state.value, because, at, id))
            return db.changes() > 0

        return await self._writer.submit(operation)
