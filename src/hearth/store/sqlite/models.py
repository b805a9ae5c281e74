"""Models and their versions."""

from __future__ import annotations

from typing import Any

import apsw

from hearth.domain.model import Model, Version
from hearth.errors import NotFound
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
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
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

_RUNS = "coalesce((SELECT count FROM model_runs WHERE model = m.owner || '/' || m.name), 0)"
INSERT = insert("models", MODEL)
SET_RUNS = "INSERT INTO model_runs VALUES (?, ?) ON CONFLICT (model) DO UPDATE SET count = excluded.count"
SELECT = f"SELECT {select(MODEL, 'm')}, {_RUNS} FROM models m"
GET = f"{SELECT} WHERE m.owner = ? AND m.name = ?"
BY_ID = f"{SELECT} WHERE m.id = ?"
DELETE = "DELETE FROM models WHERE id = ? RETURNING owner || '/' || name"
DELETE_RUNS = "DELETE FROM model_runs WHERE model = ?"

INSERT_VERSION = insert("versions", VERSION) + " ON CONFLICT (id) DO NOTHING"
MAKE_LATEST = "UPDATE models SET latest_version_id = ?, latest_version_at = ? WHERE id = ?"
SELECT_VERSION = f"SELECT {select(VERSION, 'v')} FROM versions v"
GET_VERSION = f"{SELECT_VERSION} WHERE v.id = ?"
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
        values = (*fields.values(), id)
        sql = f"UPDATE models SET {', '.join(f'{field} = ?' for field in fields)} WHERE id = ?"

        def operation(db: apsw.Connection) -> tuple[Any, ...] | None:
            if fields:
                db.execute(sql, values)
            return first(db, BY_ID, (id,))

        row = await self._writer.submit(operation)
        return model_of(row) if row else None

    async def delete(self, id: str) -> bool:
        def operation(db: apsw.Connection) -> bool:
            names = fetch(db, DELETE, (id,))
            db.executemany(DELETE_RUNS, names)
            return bool(names)

        return await self._writer.submit(operation)

    async def page(
        self, *, account_id: str | None = None, limit: int = 25, cursor: Cursor | None = None
    ) -> Page[Model]:
        if account_id is None:
            where, args = ["m.visibility = 'public'"], []
        else:
            where, args = ["m.account_id = ?"], [account_id]
        rows = await self._readers.submit(lambda db: walk(db, SELECT, "m", where, args, limit, cursor))
        return page([model_of(row) for row in rows], limit, cursor, lambda m: (m.created_at, m.id))


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

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Version]:
        rows = await self._readers.submit(
            lambda db: walk(db, SELECT_VERSION, "v", ["v.model_id = ?"], [model_id], limit, cursor)
        )
        return page([version_of(row) for row in rows], limit, cursor, lambda v: (v.created_at, v.id))

    async def latest_visible(self, account_id: str) -> list[tuple[Model, Version]]:
        rows = await self._readers.submit(lambda db: fetch(db, LATEST_VISIBLE, (account_id,)))
        split = len(MODEL) + 1
        return [(model_of(row[:split]), version_of(row[split:])) for row in rows]
