"""Predictions that models show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from hearth.domain.prediction import Prediction
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.rows import PREDICTION, prediction_of, select
from hearth.store.sqlite.sql import fetch, first, walk
from hearth.store.sqlite.threads import Readers, Writer

FIND = """
SELECT v.model_id, p.account_id, p.created_at, p.version, p.source
FROM predictions p JOIN versions v ON v.id = p.version WHERE p.id = ?
"""
INSERT = "INSERT OR IGNORE INTO examples (id, model_id, created_at) VALUES (?, ?, ?)"
KEEP = "UPDATE predictions SET kept = 1 WHERE id = ?"
KEEP_FILES = "UPDATE files SET expires_at = NULL WHERE prediction_id = ?"
KEEP_UPLOAD = """
UPDATE files SET kind = 'input', expires_at = NULL, prediction_id = coalesce(prediction_id, ?)
WHERE id = ? AND account_id = ? AND kind = 'upload'
"""
EARLIER = """
SELECT e.id FROM examples e JOIN predictions p ON p.id = e.id
WHERE e.model_id = ? AND e.created_at < ? AND p.source = 'example' AND p.version <> ?
"""
DELETE = "DELETE FROM examples WHERE id = ? RETURNING model_id"
UNKEEP = """
UPDATE predictions SET kept = shared, source = CASE source WHEN 'example' THEN 'api' ELSE source END WHERE id = ?
"""
CHOOSE_DEFAULT = """
UPDATE models
SET default_example_id = (SELECT id FROM examples WHERE model_id = models.id ORDER BY created_at, id LIMIT 1)
WHERE id = ?
"""
MODEL_OF = "SELECT model_id FROM examples WHERE id = ?"
SELECT = f"SELECT {select(PREDICTION, 'p')} FROM examples e JOIN predictions p ON p.id = e.id"


def show(db: apsw.Connection, id: str, uploads: Sequence[str] = ()) -> bool:
    """Make an example of a prediction, within the caller's transaction."""
    found = first(db, FIND, (id,))
    if found is None:
        return False
    model_id, account_id, created_at, version, source = found
    db.execute(INSERT, (id, model_id, created_at))
    db.execute(KEEP, (id,))
    db.execute(KEEP_FILES, (id,))
    db.executemany(KEEP_UPLOAD, [(id, upload, account_id) for upload in uploads])
    if source == "example":
        for (earlier,) in fetch(db, EARLIER, (model_id, created_at, version)):
            db.execute(DELETE, (earlier,)).fetchall()
            db.execute(UNKEEP, (earlier,))
    db.execute(CHOOSE_DEFAULT, (model_id,))
    return True


class SQLiteExamples:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, prediction_id: str, uploads: Sequence[str] = ()) -> bool:
        return await self._writer.submit(lambda db: show(db, prediction_id, uploads))

    async def remove(self, prediction_id: str) -> bool:
        def operation(db: apsw.Connection) -> bool:
            models = fetch(db, DELETE, (prediction_id,))
            if models:
                db.execute(UNKEEP, (prediction_id,))
                db.executemany(CHOOSE_DEFAULT, models)
            return bool(models)

        return await self._writer.submit(operation)

    async def model_of(self, prediction_id: str) -> str | None:
        row = await self._readers.submit(lambda db: first(db, MODEL_OF, (prediction_id,)))
        return row[0] if row else None

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Prediction]:
        def operation(db: apsw.Connection) -> list[tuple[Any, ...]]:
            return walk(db, SELECT, "e", ["e.model_id = ?"], [model_id], limit, cursor, ascending=True)

        found = [prediction_of(row) for row in await self._readers.submit(operation)]
        return page(found, limit, cursor, lambda p: (p.created_at, p.id), ascending=True)
