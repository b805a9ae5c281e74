"""What is known of stored bytes."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from hearth.domain.file import File
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.rows import FILE, file_of, file_row, select, to_json
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("files", FILE)
SELECT = f"SELECT {select(FILE, 'f')} FROM files f"
GET = f"{SELECT} WHERE f.id = ?"
DELETE = "DELETE FROM files WHERE id IN (SELECT value FROM json_each(?))"
EXPIRED = f"{SELECT} WHERE f.expires_at <= ? ORDER BY f.expires_at LIMIT ?"
OF_PREDICTIONS = f"""
{SELECT} WHERE f.prediction_id IN (SELECT value FROM json_each(?)) ORDER BY f.prediction_id, f.created_at, f.id
"""


class SQLiteFiles:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, file: File) -> None:
        row = file_row(file)

        def operation(db: apsw.Connection) -> None:
            with conflict(f"There is a file {file.id} already."):
                db.execute(INSERT, row)

        await self._writer.submit(operation)

    async def get(self, id: str) -> File | None:
        row = await self._readers.submit(lambda db: first(db, GET, (id,)))
        return file_of(row) if row else None

    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[File]:
        where = ["f.account_id = ?", "f.kind = 'upload'"]
        rows = await self._readers.submit(lambda db: walk(db, SELECT, "f", where, [account_id], limit, cursor))
        return page([file_of(row) for row in rows], limit, cursor, lambda f: (f.created_at, f.id))

    async def delete(self, ids: Sequence[str]) -> int:
        def operation(db: apsw.Connection) -> int:
            db.execute(DELETE, (to_json(ids),))
            return db.changes()

        return await self._writer.submit(operation)

    async def expired(self, now: float, limit: int) -> list[File]:
        rows = await self._readers.submit(lambda db: fetch(db, EXPIRED, (now, limit)))
        return [file_of(row) for row in rows]

    async def of_predictions(self, ids: Sequence[str]) -> list[File]:
        rows = await self._readers.submit(lambda db: fetch(db, OF_PREDICTIONS, (to_json(ids),)))
        return [file_of(row) for row in rows]
