"""What is left of deleted versions."""

from __future__ import annotations

from hearth.domain.model import Removal
from hearth.store.postgres.database import Database
from hearth.store.rows import REMOVAL, removal_of, select

PENDING = f"SELECT {select(REMOVAL, 'd')} FROM version_deletions d LIMIT $1"
# Two walks of the version's predictions: what has ended can go, what has not must end first.
PREDICTIONS = """
SELECT id, true FROM predictions WHERE version = $1 AND completed_at IS NOT NULL
UNION ALL
SELECT id, false FROM predictions WHERE version = $1 AND completed_at IS NULL
LIMIT $2
"""
UNNEEDED = """
SELECT DISTINCT sha256 FROM unnest($1::text[]) sha256
WHERE NOT EXISTS (SELECT 1 FROM version_sources v WHERE v.sha256 = sha256.sha256)
EXCEPT
SELECT s ->> 'sha256' FROM builds b, json_array_elements(b.source) s
WHERE b.completed_at IS NULL AND b.created_at > $2
"""
DONE = "DELETE FROM version_deletions WHERE version_id = $1"


class PostgresRemovals:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, limit: int) -> list[Removal]:
        return [removal_of(row) for row in await self._database.fetch(PENDING, limit)]

    async def predictions(self, version_id: str, limit: int) -> list[tuple[str, bool]]:
        return [(id, ended) for id, ended in await self._database.fetch(PREDICTIONS, version_id, limit)]

    async def unneeded(self, removal: Removal, since: float) -> list[str]:
        contents = [file.sha256 for file in removal.source]
        return [sha256 for (sha256,) in await self._database.fetch(UNNEEDED, contents, since)]

    async def done(self, version_id: str) -> None:
        await self._database.execute(DONE, version_id)
