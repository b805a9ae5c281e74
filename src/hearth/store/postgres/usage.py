"""What was used, and samples of how it went."""

from __future__ import annotations

from collections.abc import Mapping

from hearth.domain.sample import Sample
from hearth.domain.usage import Used
from hearth.store.postgres.database import Database
from hearth.store.rows import sample_of, to_json, used_of

OF_ACCOUNT = """
SELECT day, kind, model, deployment, hardware, sum(count)::bigint, sum(failed)::bigint, sum(seconds) FROM usage
WHERE account_id = $1 AND day BETWEEN $2 AND $3
GROUP BY day, kind, model, deployment, hardware
ORDER BY day DESC, sum(seconds) DESC, model, kind, deployment, hardware
"""
ADD = """
INSERT INTO samples (subject, at, engine, data)
SELECT s, a, $1, d FROM unnest($2::text[], $3::double precision[], $4::json[]) AS u (s, a, d)
ON CONFLICT (subject, at, engine) DO UPDATE SET data = excluded.data
"""
OF = "SELECT data FROM samples WHERE subject = $1 AND at >= $2 ORDER BY at, engine"
EXPIRE = """
DELETE FROM samples WHERE (subject, at, engine) IN (
    SELECT subject, at, engine FROM samples WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


class PostgresUsage:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_account(self, account_id: str, first: int, last: int) -> list[Used]:
        return [used_of(row) for row in await self._database.fetch(OF_ACCOUNT, account_id, first, last)]


class PostgresSamples:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, engine: str, samples: Mapping[str, Sample]) -> None:
        found = list(samples.items())
        await self._database.execute(
            ADD,
            engine,
            [subject for subject, _ in found],
            [sample.at for _, sample in found],
            [to_json(sample) for _, sample in found],
        )

    async def of(self, subject: str, since: float) -> list[Sample]:
        return [sample_of(row) for row in await self._database.fetch(OF, subject, since)]

    async def expire(self, before: float, limit: int) -> int:
        return await self._database.execute(EXPIRE, before, limit)
