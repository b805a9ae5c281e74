"""Batches and the predictions made of them."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.domain.batch import Batch, BatchState, Item
from hearth.domain.prediction import Phase
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, conflict, insert, walk
from hearth.store.rows import BATCH, batch_of, batch_row, select

INSERT = insert("batches", BATCH)
SELECT = f"SELECT {select(BATCH, 'b')} FROM batches b"
GET = f"{SELECT} WHERE b.id = $1"
CLAIM = """
UPDATE batches SET owner = $1, owned_until = $3
WHERE state = 'running' AND (owner IS NULL OR owner = $1 OR owned_until <= $2)
"""
OWN = f"{SELECT} WHERE b.state = 'running' AND b.owner = $1 ORDER BY b.id"
PLACE = "INSERT INTO batch_items (batch_id, position, prediction_id) VALUES ($1, $2, $3)"
ITEMS = (
    "SELECT position, prediction_id FROM batch_items WHERE batch_id = $1 AND position > $2 ORDER BY position LIMIT $3"
)
TALLY = """
SELECT p.phase, count(*) FROM batch_items i JOIN predictions p ON p.id = i.prediction_id
WHERE i.batch_id = $1 GROUP BY p.phase
"""
END = "UPDATE batches SET state = $1, because = $2, completed_at = $3 WHERE id = $4 AND state = 'running'"


class PostgresBatches:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, batch: Batch) -> None:
        await self._database.execute(INSERT, *batch_row(batch))

    async def get(self, id: str) -> Batch | None:
        row = await self._database.first(GET, id)
        return batch_of(row) if row else None

    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Batch]:
        rows = await walk(self._database, SELECT, "b", [("account_id = {}", account_id)], limit, cursor)
        return page([batch_of(row) for row in rows], limit, cursor, lambda b: (b.created_at, b.id))

    async def claim(self, owner: str, now: float, until: float) -> list[Batch]:
        async with self._database.transaction() as connection:
            await connection.execute(CLAIM, owner, now, until)
            return [batch_of(row) for row in await connection.fetch(OWN, owner)]

    async def place(self, id: str, items: Sequence[Item]) -> None:
        with conflict("A place in this batch is taken, or the batch is gone."):
            async with self._database.transaction() as connection:
                await connection.executemany(PLACE, [(id, *item) for item in items])

    async def items(self, id: str, *, after: int = -1, limit: int = 1000) -> list[Item]:
        return [Item(*row) for row in await self._database.fetch(ITEMS, id, after, limit)]

    async def tally(self, id: str) -> dict[Phase, int]:
        return {Phase(phase): count for phase, count in await self._database.fetch(TALLY, id)}

    async def end(self, id: str, state: BatchState, because: str, at: float) -> bool:
        return await self._database.execute(END, state.value, because, at, id) > 0
