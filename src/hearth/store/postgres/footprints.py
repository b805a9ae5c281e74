"""What instances take."""

from __future__ import annotations

from hearth.domain.footprint import Footprint
from hearth.store.footprints import ALL, footprint_of, footprint_row
from hearth.store.postgres.database import Database

PUT = """
INSERT INTO footprints (version_id, hardware, train, model, at, setup, run, gpu)
SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE EXISTS (SELECT 1 FROM versions WHERE id = $1)
ON CONFLICT (version_id, hardware, train) DO UPDATE
SET model = excluded.model, at = excluded.at, setup = excluded.setup, run = excluded.run, gpu = excluded.gpu
"""


class PostgresFootprints:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, footprint: Footprint) -> None:
        await self._database.execute(PUT, *footprint_row(footprint))

    async def all(self) -> list[Footprint]:
        return [footprint_of(row) for row in await self._database.fetch(ALL)]
