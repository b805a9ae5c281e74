"""What is known of stored bytes."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.domain.file import File
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, conflict, insert, walk
from hearth.store.rows import FILE, file_of, file_row, select

INSERT = insert("files", FILE)
SELECT = f"SELECT {select(FILE, 'f')} FROM files f"
GET = f"{SELECT} WHERE f.id = $1"
DELETE = "DELETE FROM files WHERE id = ANY ($1)"
EXPIRED = f"{SELECT} WHERE f.expires_at <= $1 ORDER BY f.expires_at LIMIT $2"
OF_PREDICTIONS = f"{SELECT} WHERE f.prediction_id = ANY ($1) ORDER BY f.prediction_id, f.created_at, f.id"


class PostgresFiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, file: File) -> None:
        with conflict(f"There is a file {file.id} already."):
            await self._database.execute(INSERT, *file_row(file))

    async def get(self, id: str) -> File | None:
        row = await self._database.first(GET, id)
        return file_of(row) if row else None

    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[File]:
        where = [("f.account_id = {}", account_id), ("f.kind = 'upload'", None)]
        rows = await walk(self._database, SELECT, "f", where, limit, cursor)
        return page([file_of(row) for row in rows], limit, cursor, lambda f: (f.created_at, f.id))

    async def delete(self, ids: Sequence[str]) -> int:
        return await self._database.execute(DELETE, list(ids))

    async def expired(self, now: float, limit: int) -> list[File]:
        return [file_of(row) for row in await self._database.fetch(EXPIRED, now, limit)]

    async def of_predictions(self, ids: Sequence[str]) -> list[File]:
        return [file_of(row) for row in await self._database.fetch(OF_PREDICTIONS, list(ids))]
