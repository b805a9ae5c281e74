"""Models and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hearth.domain.catalog import ModelOrder
from hearth.domain.model import Model, Version
from hearth.errors import NotFound
from hearth.store.base import Cursor, Page, VersionUses
from hearth.store.paging import page
from hearth.store.postgres.database import Database, changed, clean, conflict, insert, walk
from hearth.store.postgres.examples import CHOOSE_DEFAULT
from hearth.store.rows import (
    MODEL,
    MODEL_CHANGEABLE,
    VERSION,
    model_of,
    model_row,
    model_value,
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
MANY = f"{SELECT} WHERE m.id = ANY ($1)"
COUNT = "SELECT count(*) FROM (SELECT 1 FROM models WHERE account_id = $1 LIMIT $2) counted"
# Says again what the partial indexes say, else the planner does not take them.
SHOWN = (
    ("m.visibility = 'public'", None), ("m.latest_version_id IS NOT NULL", None),
    ("m.default_example_id IS NOT NULL", None),
)  # fmt: skip
SHOWN_BY = {ModelOrder.CREATED: "created_at", ModelOrder.PUSHED: "latest_version_at"}
DELETE = "DELETE FROM models WHERE id = $1{unused} RETURNING owner || '/' || name"
UNUSED = " AND NOT EXISTS (SELECT 1 FROM versions WHERE model_id = models.id)"
DELETE_RUNS = "DELETE FROM model_runs WHERE model = $1"

INSERT_VERSION = insert("versions", VERSION) + " ON CONFLICT (id) DO NOTHING"
MAKE_LATEST = "UPDATE models SET latest_version_id = $1, latest_version_at = $2 WHERE id = $3"
SELECT_VERSION = f"SELECT {select(VERSION, 'v')} FROM versions v"
GET_VERSION = f"{SELECT_VERSION} WHERE v.id = $1"
MANY_VERSIONS = f"{SELECT_VERSION} WHERE v.id = ANY ($1)"
# Two ends of one index: whoever else ran it comes before or after the owner.
USES = """
SELECT EXISTS (SELECT 1 FROM predictions WHERE version = $1 AND account_id < $2)
    OR EXISTS (SELECT 1 FROM predictions WHERE version = $1 AND account_id > $2),
    EXISTS (SELECT 1 FROM predictions WHERE version = $1 AND account_id = $2 AND kind = 'training'),
    EXISTS (
        SELECT 1 FROM releases r JOIN deployments d ON d.id = r.deployment_id
        WHERE r.version = $1 AND (r.number = d.current OR r.number = d.serving))
"""
LOCK = "SELECT m.id FROM versions v JOIN models m ON m.id = v.model_id WHERE v.id = $1 FOR UPDATE OF m"
REMEMBER_REMOVAL = """
INSERT INTO version_deletions SELECT id, model, recipe -> 'source', recipe ->> 'weights', $2 FROM versions WHERE id = $1
ON CONFLICT (version_id) DO UPDATE SET source = excluded.source, created_at = excluded.created_at
"""
UNSHOW = "DELETE FROM examples e USING predictions p WHERE e.model_id = $2 AND p.id = e.id AND p.version = $1"
DELETE_VERSION = "DELETE FROM versions WHERE id = $1 RETURNING model_id"
CHOOSE_LATEST = """
UPDATE models SET (latest_version_id, latest_version_at) = (
    SELECT id, created_at FROM versions WHERE model_id = models.id ORDER BY created_at DESC, id DESC LIMIT 1)
WHERE id = $2 AND latest_version_id = $1
"""
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
            values = [model_value(*field) for field in fields.items()]
            await self._database.execute(f"UPDATE models SET {assignments} WHERE id = $1", id, *values)
        row = await self._database.first(BY_ID, id)
        return model_of(row) if row else None

    async def delete(self, id: str, *, unused: bool = False) -> bool:
        async with self._database.transaction() as connection:
            name = await connection.fetchval(DELETE.format(unused=UNUSED if unused else ""), id)
            if name is not None:
                await connection.execute(DELETE_RUNS, name)
        return name is not None

    async def many(self, ids: Sequence[str]) -> dict[str, Model]:
        return {row[0]: model_of(row) for row in await self._database.fetch(MANY, list(ids))}

    async def count(self, account_id: str, limit: int) -> int:
        return int((await self._database.fetch(COUNT, account_id, limit))[0][0])

    async def page(
        self, *, account_id: str | None = None, limit: int = 25, cursor: Cursor | None = None
    ) -> Page[Model]:
        where = ("m.visibility = 'public'", None) if account_id is None else ("m.account_id = {}", account_id)
        rows = await walk(self._database, SELECT, "m", [where], limit, cursor)
        return page([model_of(row) for row in rows], limit, cursor, lambda m: (m.created_at, m.id))

    async def shown(
        self,
        by: ModelOrder = ModelOrder.PUSHED,
        *,
        ascending: bool = False,
        limit: int = 25,
        cursor: Cursor | None = None,
    ) -> Page[Model]:
        column = SHOWN_BY[by]
        order = (column, "id")
        rows = await walk(self._database, SELECT, "m", SHOWN, limit, cursor, by=order, ascending=ascending)
        models = [model_of(row) for row in rows]
        return page(models, limit, cursor, lambda m: (getattr(m, column), m.id), ascending=ascending)


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

    async def many(self, ids: Sequence[str]) -> dict[str, Version]:
        return {row[0]: version_of(row) for row in await self._database.fetch(MANY_VERSIONS, list(ids))}

    async def uses(self, id: str, owner_id: str) -> VersionUses:
        return VersionUses(*(await self._database.fetch(USES, id, owner_id))[0])

    async def delete(self, id: str, at: float) -> bool:
        async with self._database.transaction() as connection:
            await connection.execute(LOCK, id)
            await connection.execute(REMEMBER_REMOVAL, id, at)
            model_id = await connection.fetchval(DELETE_VERSION, id)
            if model_id is None:
                return False
            await connection.execute(UNSHOW, id, model_id)
            await connection.execute(CHOOSE_DEFAULT, model_id)
            await connection.execute(CHOOSE_LATEST, id, model_id)
            return True

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Version]:
        rows = await walk(self._database, SELECT_VERSION, "v", [("v.model_id = {}", model_id)], limit, cursor)
        return page([version_of(row) for row in rows], limit, cursor, lambda v: (v.created_at, v.id))

    async def latest_visible(self, account_id: str) -> list[tuple[Model, Version]]:
        split = len(MODEL) + 1
        rows = await self._database.fetch(LATEST_VISIBLE, account_id)
        return [(model_of(row[:split]), version_of(row[split:])) for row in rows]
