"""What is left of deleted versions."""

from __future__ import annotations

import apsw

from hearth.domain.model import Removal
from hearth.store.rows import REMOVAL, removal_of, select, to_json
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
UNNEEDED = """
SELECT DISTINCT value FROM json_each(?1) WHERE NOT EXISTS (SELECT 1 FROM version_sources WHERE sha256 = value)
"""
BUILDING = """
SELECT json_extract(s.value, '$.sha256') FROM builds b, json_each(b.source) s
WHERE b.completed_at IS NULL AND b.created_at > ?
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

    async def unneeded(self, removal: Removal, since: float) -> list[str]:
        contents = to_json([file.sha256 for file in removal.source])

        def operation(db: apsw.Connection) -> list[str]:
            needed = {sha256 for (sha256,) in db.execute(BUILDING, (since,))}
            return [sha256 for (sha256,) in fetch(db, UNNEEDED, (contents,)) if sha256 not in needed]

        return await self._readers.submit(operation)

    async def done(self, version_id: str) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(DONE, (version_id,))

        await self._writer.submit(operation)
