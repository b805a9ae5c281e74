"""Models and their versions."""

from __future__ import annotations

from typing import Any

from hearth.domain.model import Model, Version
from hearth.errors import NotFound
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, changed, clean, conflict, insert, walk
from hearth.store.rows import (
    MODEL,
    MODEL_CHANGEABLE,
    VERSION,
    model_of,
    model_row,
    select,
    version_of,
    version_row,
)

_RUNS = "coalesce((SELECT sum(count) FROM model_runs WHERE model = m.owner || '/' || m.name), 0)"
INSERT = insert("models", MODEL)
SET_RUNS = "INSERT INTO model_runs (model, shard, count) VALUES ($1, 0, $2)"
SELECT = f"SELECT {select(MODEL, 'm')}, {_RUNS} FROM models m"
GET = f"{SELECT} WHERE m.owner = $1 AND m.name = $2"
BY_ID = f"{SELECT} WHERE m.id = $1"
DELETE = "DELETE FROM models WHERE id = $1 RETURNING owner || '/' || name"
DELETE_RUNS = "DELETE FROM model_runs WHERE model = $1"

INSERT_VERSION = insert("versions", VERSION) + " ON CONFLICT (id) DO NOTHING"
MAKE_LATEST = "UPDATE models SET latest_version_id = $1, latest_version_at = $2 WHERE id = $3"
SELECT_VERSION = f"SELECT {select(VERSION, 'v')} FROM versions v"
GET_VERSION = f"{SELECT_VERSION} WHERE v.id = $1"
LATEST_VISIBLE = f"""
SELECT {select(MODEL, "m")}, {_RUNS}, {select(VERSION, "v")}
FROM models m JOIN versions v ON v.id = m.latest_version_id
WHERE m.visibility = 'public' OR m.account_id = $1
ORDER BY m.created_at DESC, m.id DESC
"""


class PostgresModels:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, model: Model) -> None:
        with conflict(f"The model {model.full_name} exists already."):
            async with self._database.transaction() as connection:
                await connection.execute(INSERT, *clean(model_row(model)))
                await connection.execute(DELETE_RUNS, model.full_name)
                await connection.execute(SET_RUNS, model.full_name, model.run_count)

    async def get(self, owner: str, name: str) -> Model | None:
        row = await self._database.first(GET, owner, name)
        return model_of(row) if row else None

    async def update(self, id: str, fields: dict[str, Any]) -> Model | None:
        if unknown := fields.keys() - MODEL_CHANGEABLE:
            raise ValueError(f"cannot be changed on a model: {', '.join(sorted(unknown))}")
        if fields:
            assignments = ", ".join([f"{field} = ${n}" for n, field in enumerate(fields, 2)])
            await self._database.execute(f"UPDATE models SET {assignments} WHERE id = $1", id, *fields.values())
        row = await self._database.first(BY_ID, id)
        return model_of(row) if row else None

    async def delete(self, id: str) -> bool:
        async with self._database.transaction() as connection:
            name = await connection.fetchval(DELETE, id)
            if name is not None:
                await connection.execute(DELETE_RUNS, name)
        return name is not None

    async def page(
        self, *, account_id: str | None = None, limit: int = 25, cursor: Cursor | None = None
    ) -> Page[Model]:
        where = ("m.visibility = 'public'", None) if account_id is None else ("m.account_id = {}", account_id)
        rows = await walk(self._database, SELECT, "m", [where], limit, cursor)
        return page([model_of(row) for row in rows], limit, cursor, lambda m: (m.created_at, m.id))


class PostgresVersions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, version: Version) -> bool:
        async with self._database.transaction() as connection:
            if not changed(await connection.execute(MAKE_LATEST, version.id, version.created_at, version.model_id)):
                raise NotFound(f"The model {version.model} does not exist.")
            return changed(await connection.execute(INSERT_VERSION, *clean(version_row(version)))) > 0

    async def get(self, id: str) -> Version | None:
        row = await self._database.first(GET_VERSION, id)
        return version_of(row) if row else None

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Version]:
        rows = await walk(self._database, SELECT_VERSION, "v", [("v.model_id = {}", model_id)], limit, cursor)
        return page([version_of(row) for row in rows], limit, cursor, lambda v: (v.created_at, v.id))

    async def latest_visible(self, account_id: str) -> list[tuple[Model, Version]]:
        split = len(MODEL) + 1
        rows = await self._database.fetch(LATEST_VISIBLE, account_id)
        return [(model_of(row[:split]), version_of(row[split:])) for row in rows]
