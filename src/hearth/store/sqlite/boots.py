"""How long boots took."""

from __future__ import annotations

import apsw

from hearth.domain.boot import Boot
from hearth.store.rows import BOOT, boot_of, boot_row, select
from hearth.store.sqlite.sql import fetch
from hearth.store.sqlite.threads import Readers, Writer

ADD = f"""
INSERT INTO boots ({", ".join(BOOT)}) SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM versions WHERE id = ?1)
"""
FORGET = """
DELETE FROM boots WHERE rowid IN (SELECT rowid FROM boots WHERE version_id = ? ORDER BY at DESC LIMIT -1 OFFSET ?)
"""
OF_VERSION = f"SELECT {select(BOOT, 'b')} FROM boots b WHERE version_id = ? ORDER BY at DESC LIMIT ?"
OF_ENVIRONMENT = f"SELECT {select(BOOT, 'b')} FROM boots b WHERE environment = ? ORDER BY at DESC LIMIT ?"


class SQLiteBoots:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, boot: Boot, keep: int) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(ADD, boot_row(boot))
            db.execute(FORGET, (boot.version_id, keep))

        await self._writer.submit(operation)

    async def of_version(self, version_id: str, limit: int) -> list[Boot]:
        rows = await self._readers.submit(lambda db: fetch(db, OF_VERSION, (version_id, limit)))
        return [boot_of(row) for row in rows]

    async def of_environment(self, environment: str, limit: int) -> list[Boot]:
        rows = await self._readers.submit(lambda db: fetch(db, OF_ENVIRONMENT, (environment, limit)))
        return [boot_of(row) for row in rows]
