"""Lanes that are given up."""

from __future__ import annotations

import apsw

from hearth.domain.breakdown import Breakdown
from hearth.store.breakdowns import ALL, SELECT, breakdown_of, breakdown_row
from hearth.store.sqlite.sql import fetch
from hearth.store.sqlite.threads import Readers, Writer

PUT = """
INSERT OR REPLACE INTO breakdowns (lane, version_id, model, deployment, because, logs, failures, at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM versions WHERE id = ?2)
"""
OF_VERSION = f"{SELECT} WHERE b.version_id = ? ORDER BY b.lane"
CLEAR = "DELETE FROM breakdowns WHERE lane = ?"


class SQLiteBreakdowns:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def put(self, breakdown: Breakdown) -> None:
        row = breakdown_row(breakdown)

        def operation(db: apsw.Connection) -> None:
            db.execute(PUT, row)

        await self._writer.submit(operation)

    async def all(self) -> list[Breakdown]:
        rows = await self._readers.submit(lambda db: fetch(db, ALL))
        return [breakdown_of(row) for row in rows]

    async def of_version(self, version_id: str) -> list[Breakdown]:
        rows = await self._readers.submit(lambda db: fetch(db, OF_VERSION, (version_id,)))
        return [breakdown_of(row) for row in rows]

    async def clear(self, lane: str) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(CLEAR, (lane,))

        await self._writer.submit(operation)
