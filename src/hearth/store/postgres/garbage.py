"""What can go."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.domain.batch import Batch
from hearth.store.postgres.database import Database
from hearth.store.rows import BATCH, batch_of, select

COUNTED_ON = 0x4845415254480002
"""Key of the advisory lock that a build takes shared when it is created, and who condemns contents takes alone: each
sees what the other has done, or comes later."""

NAMELESS = "SELECT DISTINCT k FROM unnest($1::text[]) k WHERE NOT EXISTS (SELECT 1 FROM {} WHERE {} = k)"
FILES = NAMELESS.format("files", "id")
BATCHES = NAMELESS.format("batches", "id")
ENVIRONMENTS = NAMELESS.format("versions", "(recipe ->> 'environment')")
CONDEMN = f"""
INSERT INTO condemned
{NAMELESS.format("version_sources", "sha256")}
EXCEPT
SELECT s ->> 'sha256' FROM builds b, json_array_elements(b.source) s WHERE b.completed_at IS NULL
ON CONFLICT (sha256) DO UPDATE SET sha256 = excluded.sha256
RETURNING sha256
"""
CONDEMNED = "SELECT sha256 FROM condemned WHERE $1::text[] IS NULL OR sha256 = ANY ($1) LIMIT $2"
PARDON = "DELETE FROM condemned WHERE sha256 = ANY ($1)"
ABANDON = """
UPDATE builds SET state = 'failed', completed_at = $2, error = $3
WHERE completed_at IS NULL AND state = 'uploading'
  AND id IN (SELECT id FROM builds WHERE completed_at IS NULL AND created_at < $1 AND state = 'uploading' LIMIT $4)
"""
FORGET_BUILDS = "DELETE FROM builds WHERE id IN (SELECT id FROM builds WHERE completed_at < $1 LIMIT $2)"
ENDED = f"""
SELECT {select(BATCH, "b")} FROM batches b
WHERE b.completed_at <= $1
  AND b.completed_at <= $1 - coalesce((SELECT retention FROM accounts a WHERE a.id = b.account_id), $2)
ORDER BY b.completed_at LIMIT $3
"""
FORGET_BATCHES = "DELETE FROM batches WHERE id = ANY ($1) AND completed_at IS NOT NULL"


class PostgresGarbage:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def nameless_files(self, ids: Sequence[str]) -> list[str]:
        return await self._nameless(FILES, ids)

    async def nameless_batches(self, ids: Sequence[str]) -> list[str]:
        return await self._nameless(BATCHES, ids)

    async def nameless_environments(self, keys: Sequence[str]) -> list[str]:
        return await self._nameless(ENVIRONMENTS, keys)

    async def condemn(self, contents: Sequence[str]) -> list[str]:
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", COUNTED_ON)
            return [sha256 for (sha256,) in await connection.fetch(CONDEMN, list(contents))]

    async def condemned(self, contents: Sequence[str] | None = None, limit: int = 1000) -> list[str]:
        asked = None if contents is None else list(contents)
        limit = limit if contents is None else len(contents)
        return [sha256 for (sha256,) in await self._database.fetch(CONDEMNED, asked, limit)]

    async def pardon(self, contents: Sequence[str]) -> None:
        await self._database.execute(PARDON, list(contents))

    async def abandon_builds(self, before: float, at: float, error: str, limit: int) -> int:
        return await self._database.execute(ABANDON, before, at, error, limit)

    async def forget_builds(self, before: float, limit: int) -> int:
        return await self._database.execute(FORGET_BUILDS, before, limit)

    async def ended_batches(self, now: float, retention: float, limit: int) -> list[Batch]:
        return [batch_of(row) for row in await self._database.fetch(ENDED, now, retention, limit)]

    async def forget_batches(self, ids: Sequence[str]) -> None:
        await self._database.execute(FORGET_BATCHES, list(ids))

    async def _nameless(self, sql: str, keys: Sequence[str]) -> list[str]:
        return [key for (key,) in await self._database.fetch(sql, list(keys))]
