"""Collections and the models in them."""

from __future__ import annotations

from typing import Any

from hearth.domain.catalog import Collection
from hearth.domain.model import Model
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, conflict, insert, walk
from hearth.store.postgres.models import SELECT as SELECT_MODEL
from hearth.store.rows import (
    COLLECTION,
    COLLECTION_CHANGEABLE,
    collection_of,
    collection_row,
    model_of,
    select,
)

INSERT = insert("collections", COLLECTION)
SELECT = f"SELECT {select(COLLECTION, 'c')} FROM collections c"
GET = f"{SELECT} WHERE c.slug = $1"
DELETE = "DELETE FROM collections WHERE slug = $1"
ADD = """
INSERT INTO collection_models (slug, model_id, position)
VALUES ($1, $2, (SELECT coalesce(max(position), 0) + 1 FROM collection_models WHERE slug = $1))
ON CONFLICT (slug, model_id) DO NOTHING
"""
REMOVE = "DELETE FROM collection_models WHERE slug = $1 AND model_id = $2"
MODELS = f"{SELECT_MODEL} JOIN collection_models c ON c.model_id = m.id WHERE c.slug = $1 ORDER BY c.position, m.id"


class PostgresCollections:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, collection: Collection) -> None:
        with conflict(f"There is a collection {collection.slug} already."):
            await self._database.execute(INSERT, *collection_row(collection))

    async def update(self, slug: str, fields: dict[str, Any]) -> Collection | None:
        if unknown := fields.keys() - COLLECTION_CHANGEABLE:
            raise ValueError(f"cannot be changed on a collection: {', '.join(sorted(unknown))}")
        if fields:
            assignments = ", ".join([f"{field} = ${n}" for n, field in enumerate(fields, 2)])
            await self._database.execute(
                f"UPDATE collections SET {assignments} WHERE slug = $1", slug, *fields.values()
            )
        return await self.get(slug)

    async def delete(self, slug: str) -> bool:
        return await self._database.execute(DELETE, slug) > 0

    async def get(self, slug: str) -> Collection | None:
        row = await self._database.first(GET, slug)
        return collection_of(row) if row else None

    async def page(self, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Collection]:
        rows = await walk(self._database, SELECT, "c", [], limit, cursor, by=("created_at", "slug"))
        return page([collection_of(row) for row in rows], limit, cursor, lambda c: (c.created_at, c.slug))

    async def add(self, slug: str, model_id: str) -> bool:
        with conflict(f"There is no collection {slug}, or the model is gone."):
            return await self._database.execute(ADD, slug, model_id) > 0

    async def remove(self, slug: str, model_id: str) -> bool:
        return await self._database.execute(REMOVE, slug, model_id) > 0

    async def models(self, slug: str) -> list[Model]:
        return [model_of(row) for row in await self._database.fetch(MODELS, slug)]
