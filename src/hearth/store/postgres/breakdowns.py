"""Lanes that are given up."""

from __future__ import annotations

from hearth.domain.breakdown import Breakdown
from hearth.store.breakdowns import ALL, SELECT, breakdown_of, breakdown_row
from hearth.store.postgres.database import Database

PUT = """
INSERT INTO breakdowns (lane, version_id, model, deployment, because, logs, failures, at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE EXISTS (SELECT 1 FROM versions WHERE id = $2)
ON CONFLICT (lane) DO UPDATE
SET version_id = excluded.version_id, model = excluded.model, deployment = excluded.deployment,
    because = excluded.because, logs = excluded.logs, failures = excluded.failures, at = excluded.at
"""
OF_VERSION = f"{SELECT} WHERE b.version_id = $1 ORDER BY b.lane"
CLEAR = "DELETE FROM breakdowns WHERE lane = $1"


class PostgresBreakdowns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, breakdown: Breakdown) -> None:
        await self._database.execute(PUT, *breakdown_row(breakdown))

    async def all(self) -> list[Breakdown]:
        return [breakdown_of(row) for row in await self._database.fetch(ALL)]

    async def of_version(self, version_id: str) -> list[Breakdown]:
        return [breakdown_of(row) for row in await self._database.fetch(OF_VERSION, version_id)]

    async def clear(self, lane: str) -> None:
        await self._database.execute(CLEAR, lane)
