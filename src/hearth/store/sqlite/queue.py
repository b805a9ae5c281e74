"""The queue: which predictions wait or run, and who works on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from hearth.domain.prediction import PredictionKind
from hearth.store.base import Claim
from hearth.store.rows import PREDICTION, prediction_of, select, times_of, to_json
from hearth.store.sqlite.sql import fetch, first
from hearth.store.sqlite.threads import Readers, Writer

# Two index walks: what nobody holds, and what was not renewed. A server that lives lets nothing run out, so the
# second is empty but for the minutes after a crash.
CLAIMABLE = f"""
SELECT {select(PREDICTION, "p")}, q.secrets, q.delivered
FROM (
    SELECT * FROM (
        SELECT prediction_id, matures_at, secrets, delivered FROM queue
        WHERE owner IS NULL ORDER BY matures_at, prediction_id LIMIT ?2
    )
    UNION ALL
    SELECT prediction_id, matures_at, secrets, delivered FROM queue WHERE owner IS NOT NULL AND until <= ?1
    ORDER BY matures_at, prediction_id LIMIT ?2
) q JOIN predictions p ON p.id = q.prediction_id
ORDER BY q.matures_at, q.prediction_id
"""
LEASE = "UPDATE queue SET owner = ?, until = ? WHERE prediction_id = ?"
RENEW = "UPDATE queue SET until = max(until, ?) WHERE owner = ?"
ABANDON = "UPDATE queue SET owner = NULL, until = NULL WHERE owner IS NOT NULL AND owner IS NOT ?"
CANCELS = "SELECT prediction_id FROM queue WHERE owner = ? AND cancel_requested = 1"
DEPTH = "SELECT version, count(*) FROM queue GROUP BY version"
RUN_TIMES = "SELECT seconds FROM run_times WHERE version = ? AND kind = ?"
REMEMBER = """
INSERT INTO run_times SELECT id, ?2, ?3 FROM versions WHERE id = ?1
ON CONFLICT (version, kind) DO UPDATE SET seconds = excluded.seconds
"""


class SQLiteQueue:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def claim(self, owner: str, now: float, until: float, limit: int) -> list[Claim]:
        def operation(db: apsw.Connection) -> list[tuple[Any, ...]]:
            rows = fetch(db, CLAIMABLE, (now, limit))
            db.executemany(LEASE, [(owner, until, row[0]) for row in rows])
            return rows

        rows = await self._writer.submit(operation)
        return [Claim(prediction_of(row[:-2]), row[-2], bool(row[-1])) for row in rows]

    async def renew(self, owner: str, until: float) -> int:
        def operation(db: apsw.Connection) -> int:
            db.execute(RENEW, (until, owner))
            return db.changes()

        return await self._writer.submit(operation)

    async def abandon(self, keep_owner: str | None = None) -> int:
        def operation(db: apsw.Connection) -> int:
            db.execute(ABANDON, (keep_owner,))
            return db.changes()

        return await self._writer.submit(operation)

    async def cancels(self, owner: str) -> list[str]:
        rows = await self._readers.submit(lambda db: fetch(db, CANCELS, (owner,)))
        return [id for (id,) in rows]

    async def depth(self) -> dict[str, int]:
        rows = await self._readers.submit(lambda db: fetch(db, DEPTH))
        return dict(rows)

    async def run_times(self, version_id: str, kind: PredictionKind) -> list[float]:
        row = await self._readers.submit(lambda db: first(db, RUN_TIMES, (version_id, kind.value)))
        return times_of(row[0]) if row else []

    async def remember(self, version_id: str, kind: PredictionKind, seconds: Sequence[float]) -> None:
        row = (version_id, kind.value, to_json(seconds))
        await self._writer.submit(lambda db: db.execute(REMEMBER, row) and None)
