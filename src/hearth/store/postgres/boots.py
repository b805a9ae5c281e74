"""How long boots took."""

from __future__ import annotations

from hearth.domain.boot import Boot
from hearth.store.postgres.database import Database, clean
from hearth.store.rows import BOOT, boot_of, boot_row, select

# The version stays for as long as this takes: its deletion waits.
ADD = f"""
INSERT INTO boots ({", ".join(BOOT)})
SELECT id, $2::text, $3::double precision, $4::text, $5::boolean FROM versions WHERE id = $1 FOR KEY SHARE
"""
FORGET = """
DELETE FROM boots WHERE ctid IN (SELECT ctid FROM boots WHERE version_id = $1 ORDER BY at DESC OFFSET $2)
"""
OF_VERSION = f"SELECT {select(BOOT, 'b')} FROM boots b WHERE version_id = $1 ORDER BY at DESC LIMIT $2"
OF_ENVIRONMENT = f"SELECT {select(BOOT, 'b')} FROM boots b WHERE environment = $1 ORDER BY at DESC LIMIT $2"


class PostgresBoots:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, boot: Boot, keep: int) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(ADD, *clean(boot_row(boot)))
            await connection.execute(FORGET, boot.version_id, keep)

    async def of_version(self, version_id: str, limit: int) -> list[Boot]:
        return [boot_of(row) for row in await self._database.fetch(OF_VERSION, version_id, limit)]

    async def of_environment(self, environment: str, limit: int) -> list[Boot]:
        return [boot_of(row) for row in await self._database.fetch(OF_ENVIRONMENT, environment, limit)]
