"""What instances take."""

from __future__ import annotations

import apsw

from hearth.domain.footprint import Footprint
from hearth.store.footprints import ALL, footprint_of, footprint_row
from hearth.store.sqlite.sql import fetch
from hearth.store.sqlite.threads import Readers, Writer

PUT = """
INSERT INTO footprints (version_id, hardware, train, model, at, setup, run, gpu)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM versions WHERE id = ?1)
ON CONFLICT (version_id, hardware, train) DO UPDATE
SET model = excluded.model, at = excluded.at, setup = excluded.setup, run = excluded.run, gpu = excluded.gpu
"""


class SQLiteFootprints:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def put(self, footprint: Footprint) -> None:
        row = footprint_row(footprint)

        def operation(db: apsw.Connection) -> None:
            db.execute(PUT, row)

        await self._writer.submit(operation)

    async def all(self) -> list[Footprint]:
        rows = await self._readers.submit(lambda db: fetch(db, ALL))
        return [footprint_of(row) for row in rows]
