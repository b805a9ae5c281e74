"""What was let through per account and lane in the present minute."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from hearth.domain.limits import Lane, Usage
from hearth.store.sqlite.sql import first
from hearth.store.sqlite.threads import Readers, Writer

ADD = """
INSERT INTO rate_windows AS w (account_id, lane, started_at, used) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (account_id, lane) DO UPDATE
SET used = CASE WHEN w.started_at + ?6 <= ?5 THEN ?4 ELSE w.used + ?4 END,
    started_at = CASE WHEN w.started_at + ?6 <= ?5 THEN ?3 ELSE w.started_at END
RETURNING used, started_at
"""


class SQLiteRates:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer = writer

    async def exchange(self, usages: Sequence[Usage], now: float, window: float) -> list[Usage]:
        def operation(db: apsw.Connection) -> list[Usage]:
            return [_add(db, usage, now, window) for usage in usages]

        return await self._writer.submit(operation)


def _add(db: apsw.Connection, usage: Usage, now: float, window: float) -> Usage:
    row = first(db, ADD, (usage.account_id, usage.lane.value, usage.started_at, usage.calls, now, window))
    assert row is not None, "an upsert without a condition always returns its row"
    return Usage(usage.account_id, Lane(usage.lane), *row)
