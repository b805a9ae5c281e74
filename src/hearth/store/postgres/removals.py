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
DONE = "DELETE FROM version_deletions WHERE version_id = $1"


class PostgresRemovals:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, limit: int) -> list[Removal]:
        return [removal_of(row) for row in await self._database.fetch(PENDING, limit)]

    async def predictions(self, version_id: str, limit: int) -> list[tuple[str, bool]]:
        return [(id, ended) for id, ended in await self._database.fetch(PREDICTIONS, version_id, limit)]

    async def done(self, version_id: str) -> None:
        await self._database.execute(DONE, version_id)
