"""Collections and the models in them."""

from __future__ import annotations

from typing import Any

import apsw

from hearth.domain.catalog import Collection
from hearth.domain.model import Model
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.rows import (
    COLLECTION,
    COLLECTION_CHANGEABLE,
    collection_of,
    collection_row,
    model_of,
    select,
)
from hearth.store.sqlite.models import SELECT as SELECT_MODEL
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("collections", COLLECTION)
SELECT = f"SELECT {select(COLLECTION, 'c')} FROM collections c"
GET = f"{SELECT} WHERE c.slug = ?"
DELETE = "DELETE FROM collections WHERE slug = ?"
ADD = """
INSERT INTO collection_models (slug, model_id, position)
VALUES (?1, ?2, (SELECT coalesce(max(position), 0) + 1 FROM collection_models WHERE slug = ?1))
ON CONFLICT (slug, model_id) DO NOTHING
"""
REMOVE = "DELETE FROM collection_models WHERE slug = ? AND model_id = ?"
MODELS = f"{SELECT_MODEL} JOIN collection_models c ON c.model_id = m.id WHERE c.slug = ? ORDER BY c.position"


class SQLiteCollections:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def create(self, collection: Collection) -> None:
        def operation(db: apsw.Connection) -> None:
            with conflict(f"There is a collection {collection.slug} already."):
                db.execute(INSERT, collection_row(collection))

        await self._writer.submit(operation)

    async def update(self, slug: str, fields: dict[str, Any]) -> Collection | None:
        if unknown := fields.keys() - COLLECTION_CHANGEABLE:
            raise ValueError(f"cannot be changed on a collection: {', '.join(sorted(unknown))}")
        sql = f"UPDATE collections SET {', '.join(f'{field} = ?' for field in fields)} WHERE slug = ?"

        def operation(db: apsw.Connection) -> tuple[Any, ...] | None:
            if fields:
                db.execute(sql, (*fields.values(), slug))
            return first(db, GET, (slug,))

        row = await self._writer.submit(operation)
        return collection_of(row) if row else None

    async def delete(self, slug: str) -> bool:
        return await self._change(DELETE, (slug,))

    async def get(self, slug: str) -> Collection | None:
        row = await self._readers.submit(lambda db: first(db, GET, (slug,)))
        return collection_of(row) if row else None

    async def page(self, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Collection]:
        by = ("created_at", "slug")
        rows = await self._readers.submit(lambda db: walk(db, SELECT, "c", (), (), limit, cursor, by=by))
        return page([collection_of(row) for row in rows], limit, cursor, lambda c: (c.created_at, c.slug))

    async def add(self, slug: str, model_id: str) -> bool:
        with conflict(f"There is no collection {slug}, or the model is gone."):
            return await self._change(ADD, (slug, model_id))

    async def remove(self, slug: str, model_id: str) -> bool:
        return await self._change(REMOVE, (slug, model_id))

    async def models(self, slug: str) -> list[Model]:
        return [model_of(row) for row in await self._readers.submit(lambda db: fetch(db, MODELS, (slug,)))]

    async def _change(self, sql: str, args: tuple[str, ...]) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(sql, args)
            return db.changes() > 0

        return await self._writer.submit(operation)
