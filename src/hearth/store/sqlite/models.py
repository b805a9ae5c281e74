"""Models and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from hearth.domain.catalog import ModelOrder
from hearth.domain.model import Model, Version
from hearth.errors import NotFound
from hearth.store.base import Cursor, Page, VersionUses
from hearth.store.paging import page
from hearth.store.rows import (
    MODEL,
    MODEL_CHANGEABLE,
    VERSION,
    model_of,
    model_row,
    model_value,
    select,
    to_json,
    version_of,
    version_row,
)
from hearth.store.sqlite.examples import CHOOSE_DEFAULT
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

_RUNS = "coalesce((SELECT count FROM model_runs WHERE model = m.owner || '/' || m.name), 0)"
INSERT = insert("models", MODEL)
SET_RUNS = "INSERT INTO model_runs VALUES (?, ?) ON CONFLICT (model) DO UPDATE SET count = excluded.count"
SELECT = f"SELECT {select(MODEL, 'm')}, {_RUNS} FROM models m"
GET = f"{SELECT} WHERE m.owner = ? AND m.name = ?"
BY_ID = f"{SELECT} WHERE m.id = ?"
MANY = f"{SELECT} WHERE m.id IN (SELECT value FROM json_each(?))"
COUNT = "SELECT count(*) FROM (SELECT 1 FROM models WHERE account_id = ? LIMIT ?)"
# Says again what the partial indexes say, else the planner does not take them.
SHOWN = ("m.visibility = 'public'", "m.latest_version_id IS NOT NULL", "m.default_example_id IS NOT NULL")
SHOWN_BY = {ModelOrder.CREATED: "created_at", ModelOrder.PUSHED: "latest_version_at"}
DELETE = "DELETE FROM models WHERE id = ?{unused} RETURNING owner || '/' || name"
UNUSED = " AND NOT EXISTS (SELECT 1 FROM versions WHERE model_id = models.id)"
DELETE_RUNS = "DELETE FROM model_runs WHERE model = ?"

INSERT_VERSION = insert("versions", VERSION) + " ON CONFLICT (id) DO NOTHING"
MAKE_LATEST = "UPDATE models SET latest_version_id = ?, latest_version_at = ? WHERE id = ?"
SELECT_VERSION = f"SELECT {select(VERSION, 'v')} FROM versions v"
GET_VERSION = f"{SELECT_VERSION} WHERE v.id = ?"
MANY_VERSIONS = f"{SELECT_VERSION} WHERE v.id IN (SELECT value FROM json_each(?))"
# Two ends of one index: whoever else ran it comes before or after the owner.
USES = """
SELECT EXISTS (SELECT 1 FROM predictions WHERE version = ?1 AND account_id < ?2)
    OR EXISTS (SELECT 1 FROM predictions WHERE version = ?1 AND account_id > ?2),
    EXISTS (SELECT 1 FROM predictions WHERE version = ?1 AND account_id = ?2 AND kind = 'training'),
    EXISTS (
        SELECT 1 FROM releases r JOIN deployments d ON d.id = r.deployment_id
        WHERE r.version = ?1 AND (r.number = d.current OR r.number = d.serving))
"""
REMEMBER_REMOVAL = """
INSERT OR REPLACE INTO version_deletions
SELECT id, model, json_extract(recipe, '$.source'), json_extract(recipe, '$.weights'), ?2 FROM versions WHERE id = ?1
"""
UNSHOW = """
DELETE FROM examples
WHERE model_id = ?2 AND (SELECT version FROM predictions p WHERE p.id = examples.id) = ?1
"""
DELETE_VERSION = "DELETE FROM versions WHERE id = ? RETURNING model_id"
CHOOSE_LATEST = """
UPDATE models SET (latest_version_id, latest_version_at) = (
    SELECT max(id), max(created_at) FROM (
        SELECT id, created_at FROM versions WHERE model_id = models.id ORDER BY created_at DESC, id DESC LIMIT 1))
WHERE id = ?2 AND latest_version_id = ?1
"""
LATEST_VISIBLE = f"""
SELECT {select(MODEL, "m")}, {_RUNS}, {select(VERSION, "v")}
FROM models m JOIN versions v ON v.id = m.latest_version_id
WHERE m.visibility = 'public' OR m.account_id = ?
ORDER BY m.created_at DESC, m.id DESC
"""


class SQLiteModels:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def create(self, model: Model) -> None:
        def operation(db: apsw.Connection) -> None:
            with conflict(f"The model {model.full_name} exists already."):
                db.execute(INSERT, model_row(model))
            db.execute(SET_RUNS, (model.full_name, model.run_count))

        await self._writer.submit(operation)

    async def get(self, owner: str, name: str) -> Model | None:
        row = await self._readers.submit(lambda db: first(db, GET, (owner, name)))
        return model_of(row) if row else None

    async def update(self, id: str, fields: dict[str, Any]) -> Model | None:
        if unknown := fields.keys() - MODEL_CHANGEABLE:
            raise ValueError(f"cannot be changed on a model: {', '.join(sorted(unknown))}")
        values = (*(model_value(*field) for field in fields.items()), id)
        sql = f"UPDATE models SET {', '.join(f'{field} = ?' for field in fields)} WHERE id = ?"

        def operation(db: apsw.Connection) -> tuple[Any, ...] | None:
            if fields:
                db.execute(sql, values)
            return first(db, BY_ID, (id,))

        row = await self._writer.submit(operation)
        return model_of(row) if row else None

    async def delete(self, id: str, *, unused: bool = False) -> bool:
        sql = DELETE.format(unused=UNUSED if unused else "")

        def operation(db: apsw.Connection) -> bool:
            names = fetch(db, sql, (id,))
            db.executemany(DELETE_RUNS, names)
            return bool(names)

        return await self._writer.submit(operation)

    async def many(self, ids: Sequence[str]) -> dict[str, Model]:
        rows = await self._readers.submit(lambda db: fetch(db, MANY, (to_json(ids),)))
        return {row[0]: model_of(row) for row in rows}

    async def count(self, account_id: str, limit: int) -> int:
        (count,) = await self._readers.submit(lambda db: fetch(db, COUNT, (account_id, limit))[0])
        return int(count)

    async def page(
        self, *, account_id: str | None = None, limit: int = 25, cursor: Cursor | None = None
    ) -> Page[Model]:
        if account_id is None:
            where, args = ["m.visibility = 'public'"], []
        else:
            where, args = ["m.account_id = ?"], [account_id]
        rows = await self._readers.submit(lambda db: walk(db, SELECT, "m", where, args, limit, cursor))
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

        def operation(db: apsw.Connection) -> list[tuple[Any, ...]]:
            return walk(db, SELECT, "m", SHOWN, (), limit, cursor, by=(column, "id"), ascending=ascending)

        models = [model_of(row) for row in await self._readers.submit(operation)]
        return page(models, limit, cursor, lambda m: (getattr(m, column), m.id), ascending=ascending)


class SQLiteVersions:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, version: Version) -> bool:
        row = version_row(version)

        def operation(db: apsw.Connection) -> bool:
            db.execute(MAKE_LATEST, (version.id, version.created_at, version.model_id))
            if not db.changes():
                raise NotFound(f"The model {version.model} does not exist.")
            db.execute(INSERT_VERSION, row)
            return db.changes() > 0

        return await self._writer.submit(operation)

    async def get(self, id: str) -> Version | None:
        row = await self._readers.submit(lambda db: first(db, GET_VERSION, (id,)))
        return version_of(row) if row else None

    async def many(self, ids: Sequence[str]) -> dict[str, Version]:
        rows = await self._readers.submit(lambda db: fetch(db, MANY_VERSIONS, (to_json(ids),)))
        return {row[0]: version_of(row) for row in rows}

    async def uses(self, id: str, owner_id: str) -> VersionUses:
        rows = await self._readers.submit(lambda db: fetch(db, USES, (id, owner_id)))
        return VersionUses(*map(bool, rows[0]))

    async def delete(self, id: str, at: float) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(REMEMBER_REMOVAL, (id, at))
            for (model_id,) in fetch(db, DELETE_VERSION, (id,)):
                db.execute(UNSHOW, (id, model_id))
                db.execute(CHOOSE_DEFAULT, (model_id,))
                db.execute(CHOOSE_LATEST, (id, model_id))
                return True
            return False

        return await self._writer.submit(operation)

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Version]:
        rows = await self._readers.submit(
            lambda db: walk(db, SELECT_VERSION, "v", ["v.model_id = ?"], [model_id], limit, cursor)
        )
        return page([version_of(row) for row in rows], limit, cursor, lambda v: (v.created_at, v.id))

    async def latest_visible(self, account_id: str) -> list[tuple[Model, Version]]:
        rows = await self._readers.submit(lambda db: fetch(db, LATEST_VISIBLE, (account_id,)))
        split = len(MODEL) + 1
        return [(model_of(row[:split]), version_of(row[split:])) for row in rows]
