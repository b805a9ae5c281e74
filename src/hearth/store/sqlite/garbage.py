"""What can go."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from hearth.domain.batch import Batch
from hearth.store.rows import BATCH, batch_of, select, to_json
from hearth.store.sqlite.sql import fetch
from hearth.store.sqlite.threads import Readers, Writer

NAMELESS = "SELECT DISTINCT value FROM json_each(?1) WHERE NOT EXISTS (SELECT 1 FROM {} WHERE {} = value)"
FILES = NAMELESS.format("files", "id")
BATCHES = NAMELESS.format("batches", "id")
ENVIRONMENTS = NAMELESS.format("versions", "json_extract(recipe, '$.environment')")
CONTENTS = NAMELESS.format("version_sources", "sha256")
BUILDING = "SELECT json_extract(s.value, '$.sha256') FROM builds b, json_each(b.source) s WHERE b.completed_at IS NULL"
CONDEMN = "INSERT OR IGNORE INTO condemned VALUES (?)"
CONDEMNED = "SELECT sha256 FROM condemned ORDER BY sha256 LIMIT ?"
OF_THESE = "SELECT sha256 FROM condemned WHERE sha256 IN (SELECT value FROM json_each(?))"
PARDON = "DELETE FROM condemned WHERE sha256 IN (SELECT value FROM json_each(?))"
ABANDON = """
UPDATE builds SET state = 'failed', completed_at = ?2, error = ?3
WHERE id IN (SELECT id FROM builds WHERE completed_at IS NULL AND created_at < ?1 AND state = 'uploading' LIMIT ?4)
"""
FORGET_BUILDS = "DELETE FROM builds WHERE id IN (SELECT id FROM builds WHERE completed_at < ? LIMIT ?)"
ENDED = f"""
SELECT {select(BATCH, "b")} FROM batches b
WHERE b.completed_at <= ?1
  AND b.completed_at <= ?1 - coalesce((SELECT retention FROM accounts a WHERE a.id = b.account_id), ?2)
ORDER BY b.completed_at LIMIT ?3
"""
FORGET_BATCHES = """
DELETE FROM batches WHERE id IN (SELECT value FROM json_each(?)) AND completed_at IS NOT NULL
"""


class SQLiteGarbage:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def nameless_files(self, ids: Sequence[str]) -> list[str]:
        return await self._nameless(FILES, ids)

    async def nameless_batches(self, ids: Sequence[str]) -> list[str]:
        return await self._nameless(BATCHES, ids)

    async def nameless_environments(self, keys: Sequence[str]) -> list[str]:
        return await self._nameless(ENVIRONMENTS, keys)

    async def condemn(self, contents: Sequence[str]) -> list[str]:
        def operation(db: apsw.Connection) -> list[str]:
            building = {sha256 for (sha256,) in db.execute(BUILDING)}
            found = [sha256 for (sha256,) in fetch(db, CONTENTS, (to_json(contents),)) if sha256 not in building]
            db.executemany(CONDEMN, [(sha256,) for sha256 in found])
            return found

        return await self._writer.submit(operation)

    async def condemned(self, contents: Sequence[str] | None = None, limit: int = 1000) -> list[str]:
        def operation(db: apsw.Connection) -> list[str]:
            found = fetch(db, CONDEMNED, (limit,)) if contents is None else fetch(db, OF_THESE, (to_json(contents),))
            return [sha256 for (sha256,) in found]

        return await self._readers.submit(operation)

    async def pardon(self, contents: Sequence[str]) -> None:
        await self._change(PARDON, to_json(contents))

    async def abandon_builds(self, before: float, at: float, error: str, limit: int) -> int:
        return await self._change(ABANDON, before, at, error, limit)

    async def forget_builds(self, before: float, limit: int) -> int:
        return await self._change(FORGET_BUILDS, before, limit)

    async def ended_batches(self, now: float, retention: float, limit: int) -> list[Batch]:
        rows = await self._readers.submit(lambda db: fetch(db, ENDED, (now, retention, limit)))
        return [batch_of(row) for row in rows]

    async def forget_batches(self, ids: Sequence[str]) -> None:
        await self._change(FORGET_BATCHES, to_json(ids))

    async def _nameless(self, sql: str, keys: Sequence[str]) -> list[str]:
        return [key for (key,) in await self._readers.submit(lambda db: fetch(db, sql, (to_json(keys),)))]

    async def _change(self, sql: str, *values: object) -> int:
        def operation(db: apsw.Connection) -> int:
            db.execute(sql, values)
            return db.changes()

        return await self._writer.submit(operation)
