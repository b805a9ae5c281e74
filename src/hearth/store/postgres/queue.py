"""The queue: which predictions wait or run, and who works on them."""

from __future__ import annotations

from hearth.store.base import Claim
from hearth.store.postgres.database import Database
from hearth.store.rows import PREDICTION, prediction_of, select

# Two index walks, what nobody holds and what was not renewed; rivals step over each other's rows.
LEASE = """
WITH waiting AS (
    SELECT prediction_id, created_at FROM queue
    WHERE owner IS NULL ORDER BY created_at, prediction_id LIMIT $4 FOR UPDATE SKIP LOCKED
), lapsed AS (
    SELECT prediction_id, created_at FROM queue
    WHERE owner IS NOT NULL AND until <= $2 ORDER BY created_at, prediction_id LIMIT $4 FOR UPDATE SKIP LOCKED
), picked AS (
    SELECT prediction_id FROM (SELECT * FROM waiting UNION ALL SELECT * FROM lapsed) both_kinds
    ORDER BY created_at, prediction_id LIMIT $4
)
UPDATE queue q SET owner = $1, until = $3 FROM picked WHERE q.prediction_id = picked.prediction_id
RETURNING q.prediction_id
"""
# A second statement, so that it sees what a former owner recorded until the moment it lost the lease.
CLAIMED = f"""
SELECT {select(PREDICTION, "p")}, q.secrets, q.delivered
FROM queue q JOIN predictions p ON p.id = q.prediction_id
WHERE q.prediction_id = ANY ($1) ORDER BY q.created_at, q.prediction_id
"""
RENEW = "UPDATE queue SET until = greatest(until, $1) WHERE owner = $2"
ABANDON = "UPDATE queue SET owner = NULL, until = NULL WHERE owner IS NOT NULL AND owner IS DISTINCT FROM $1"
CANCELS = "SELECT prediction_id FROM queue WHERE owner = $1 AND cancel_requested"
DEPTH = "SELECT version, count(*) FROM queue GROUP BY version"


class PostgresQueue:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, owner: str, now: float, until: float, limit: int) -> list[Claim]:
        async with self._database.transaction() as connection:
            ids = [id for (id,) in await connection.fetch(LEASE, owner, now, until, limit)]
            rows = await connection.fetch(CLAIMED, ids) if ids else []
        return [Claim(prediction_of(row[:-2]), row[-2], row[-1]) for row in rows]

    async def renew(self, owner: str, until: float) -> int:
        return await self._database.execute(RENEW, until, owner)

    async def abandon(self, keep_owner: str | None = None) -> int:
        return await self._database.execute(ABANDON, keep_owner)

    async def cancels(self, owner: str) -> list[str]:
        return [id for (id,) in await self._database.fetch(CANCELS, owner)]

    async def depth(self) -> dict[str, int]:
        return dict(await self._database.fetch(DEPTH))
