"""The queue: which predictions wait or run, and who works on them."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.domain.prediction import PredictionKind
from hearth.store.base import Claim
from hearth.store.postgres.database import Database
from hearth.store.rows import PREDICTION, prediction_of, select, times_of, to_json

# Two index walks, what nobody holds and what was not renewed; rivals step over each other's rows.
LEASE = """
WITH waiting AS (
    SELECT prediction_id, matures_at FROM queue
    WHERE owner IS NULL ORDER BY matures_at, prediction_id LIMIT $4 FOR UPDATE SKIP LOCKED
), lapsed AS (
    SELECT prediction_id, matures_at FROM queue
    WHERE owner IS NOT NULL AND until <= $2 ORDER BY matures_at, prediction_id LIMIT $4 FOR UPDATE SKIP LOCKED
), picked AS (
    SELECT prediction_id FROM (SELECT * FROM waiting UNION ALL SELECT * FROM lapsed) both_kinds
    ORDER BY matures_at, prediction_id LIMIT $4
)
UPDATE queue q SET owner = $1, until = $3 FROM picked WHERE q.prediction_id = picked.prediction_id
RETURNING q.prediction_id
"""
# A second statement, so that it sees what a former owner recorded until the moment it lost the lease.
CLAIMED = f"""
SELECT {select(PREDICTION, "p")}, q.secrets, q.delivered
FROM queue q JOIN predictions p ON p.id = q.prediction_id
WHERE q.prediction_id = ANY ($1) ORDER BY q.matures_at, q.prediction_id
"""
RENEW = "UPDATE queue SET until = greatest(until, $1) WHERE owner = $2"
ABANDON = "UPDATE queue SET owner = NULL, until = NULL WHERE owner IS NOT NULL AND owner IS DISTINCT FROM $1"
CANCELS = "SELECT prediction_id FROM queue WHERE owner = $1 AND cancel_requested"
DEPTH = "SELECT version, count(*) FROM queue GROUP BY version"
RUN_TIMES = "SELECT seconds FROM run_times WHERE version = $1 AND kind = $2"
REMEMBER = """
INSERT INTO run_times SELECT id, $2, $3 FROM versions WHERE id = $1
ON CONFLICT (version, kind) DO UPDATE SET seconds = excluded.seconds
"""


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

    async def run_times(self, version_id: str, kind: PredictionKind) -> list[float]:
        row = await self._database.first(RUN_TIMES, version_id, kind.value)
        return times_of(row[0]) if row else []

    async def remember(self, version_id: str, kind: PredictionKind, seconds: Sequence[float]) -> None:
        await self._database.execute(REMEMBER, version_id, kind.value, to_json(seconds))
