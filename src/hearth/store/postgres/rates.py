"""What all server processes let through per account and lane in the present minute."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.domain.limits import Lane, Usage
from hearth.store.postgres.database import Database

# Sorted, so that two processes never wait for each other's rows crosswise.
ADD = """
INSERT INTO rate_windows AS w (account_id, lane, started_at, used)
SELECT * FROM unnest($1::text[], $2::text[], $3::double precision[], $4::bigint[]) AS u (a, l, s, n) ORDER BY a, l
ON CONFLICT (account_id, lane) DO UPDATE
SET used = CASE WHEN w.started_at + $6 <= $5 THEN excluded.used ELSE w.used + excluded.used END,
    started_at = CASE WHEN w.started_at + $6 <= $5 THEN excluded.started_at ELSE w.started_at END
RETURNING account_id, lane, used, started_at
"""


class PostgresRates:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def exchange(self, usages: Sequence[Usage], now: float, window: float) -> list[Usage]:
        rows = await self._database.fetch(
            ADD,
            [u.account_id for u in usages],
            [u.lane.value for u in usages],
            [u.started_at for u in usages],
            [u.calls for u in usages],
            now,
            window,
        )
        return [Usage(account_id, Lane(lane), used, started_at) for account_id, lane, used, started_at in rows]
