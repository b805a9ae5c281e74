"""Predictions that models show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hearth.domain.prediction import Prediction
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, walk
from hearth.store.rows import PREDICTION, prediction_of, select

# The model's row is locked before any of its examples: they change one after the other, and so does the choice of
# the default.
FIND = """
SELECT v.model_id, p.account_id, p.created_at, p.version, p.source
FROM predictions p JOIN versions v ON v.id = p.version JOIN models m ON m.id = v.model_id
WHERE p.id = $1 FOR UPDATE OF m
"""
INSERT = "INSERT INTO examples (id, model_id, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING"
KEEP = "UPDATE predictions SET kept = true WHERE id = $1"
KEEP_FILES = "UPDATE files SET expires_at = NULL WHERE prediction_id = $1"
KEEP_UPLOADS = """
UPDATE files SET kind = 'input', expires_at = NULL, prediction_id = coalesce(prediction_id, $1)
WHERE id = ANY ($2) AND account_id = $3 AND kind = 'upload'
"""
REPLACE_EARLIER = """
WITH earlier AS (
    DELETE FROM examples e USING predictions p
    WHERE e.model_id = $1 AND e.created_at < $2 AND p.id = e.id AND p.source = 'example' AND p.version <> $3
    RETURNING e.id
)
UPDATE predictions p SET kept = shared, source = 'api' FROM earlier WHERE p.id = earlier.id
"""
LOCK = "SELECT m.id FROM examples e JOIN models m ON m.id = e.model_id WHERE e.id = $1 FOR UPDATE OF m"
DELETE = "DELETE FROM examples WHERE id = $1 RETURNING model_id"
UNKEEP = """
UPDATE predictions SET kept = shared, source = CASE source WHEN 'example' THEN 'api' ELSE source END WHERE id = $1
"""
CHOOSE_DEFAULT = """
UPDATE models
SET default_example_id = (SELECT id FROM examples WHERE model_id = models.id ORDER BY created_at, id LIMIT 1)
WHERE id = $1
"""
MODEL_OF = "SELECT model_id FROM examples WHERE id = $1"
SELECT = f"SELECT {select(PREDICTION, 'p')} FROM examples e JOIN predictions p ON p.id = e.id"


async def show(connection: Any, id: str, uploads: Sequence[str] = ()) -> bool:
    """Make an example of a prediction, within the caller's transaction."""
    found = await connection.fetchrow(FIND, id)
    if found is None:
        return False
    model_id, account_id, created_at, version, source = found
    await connection.execute(INSERT, id, model_id, created_at)
    await connection.execute(KEEP, id)
    await connection.execute(KEEP_FILES, id)
    await connection.execute(KEEP_UPLOADS, id, list(uploads), account_id)
    if source == "example":
        await connection.execute(REPLACE_EARLIER, model_id, created_at, version)
    await connection.execute(CHOOSE_DEFAULT, model_id)
    return True


class PostgresExamples:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, prediction_id: str, uploads: Sequence[str] = ()) -> bool:
        async with self._database.transaction() as connection:
            return await show(connection, prediction_id, uploads)

    async def remove(self, prediction_id: str) -> bool:
        async with self._database.transaction() as connection:
            await connection.execute(LOCK, prediction_id)
            model_id = await connection.fetchval(DELETE, prediction_id)
            if model_id is None:
                return False
            await connection.execute(UNKEEP, prediction_id)
            await connection.execute(CHOOSE_DEFAULT, model_id)
            return True

    async def model_of(self, prediction_id: str) -> str | None:
        row = await self._database.first(MODEL_OF, prediction_id)
        return row[0] if row else None

    async def page(self, model_id: str, *, limit: int = 25, cursor: Cursor | None = None) -> Page[Prediction]:
        where = [("e.model_id = {}", model_id)]
        rows = await walk(self._database, SELECT, "e", where, limit, cursor, ascending=True)
        found = [prediction_of(row) for row in rows]
        return page(found, limit, cursor, lambda p: (p.created_at, p.id), ascending=True)
