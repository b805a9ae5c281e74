"""What is left of deleted versions."""

from __future__ import annotations

import apsw

from hearth.domain.model import Removal
from hearth.store.rows import REMOVAL, removal_of, select
from hearth.store.sqlite.sql import fetch
from hearth.store.sqlite.threads import Readers, Writer

PENDING = f"SELECT {select(REMOVAL, 'd')} FROM version_deletions d LIMIT ?"
# Two walks of the version's predictions: what has ended can go, what has not must end first.
PREDICTIONS = """
SELECT id, completed_at IS NOT NULL FROM predictions WHERE version = ?1 AND completed_at IS NOT NULL
UNION ALL
SELECT id, 0 FROM predictions WHERE version = ?1 AND completed_at IS NULL
LIMIT ?2
"""
DONE = "DELETE FROM version_deletions WHERE version_id = ?"


class SQLiteRemovals:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def pending(self, limit: int) -> list[Removal]:
        return [removal_of(row) for row in await self._readers.submit(lambda db: fetch(db, PENDING, (limit,)))]

    async def predictions(self, version_id: str, limit: int) -> list[tuple[str, bool]]:
        rows = await self._readers.submit(lambda db: fetch(db, PREDICTIONS, (version_id, limit)))
        return [(id, bool(ended)) for id, ended in rows]

    async def done(self, version_id: str) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(DONE, (version_id,))

        await self._writer.submit(operation)
