"""Webhook deliveries and what came of each try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hearth.domain.webhook import Attempt, Delivery
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, clean, conflict, insert, walk
from hearth.store.rows import ATTEMPT, DELIVERY, attempt_of, attempt_row, delivery_of, select

SELECT = f"SELECT {select(DELIVERY, 'd')} FROM deliveries d"
TAKE = f"""
WITH due AS (
    SELECT id, due_at FROM deliveries
    WHERE state = 'pending' AND due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE deliveries d SET due_at = $2 FROM due WHERE d.id = due.id
    RETURNING {select(DELIVERY, "d")}, due.due_at AS was_due
)
SELECT {select(DELIVERY, "taken")} FROM taken ORDER BY was_due, id
"""
PUT_OFF = """
UPDATE deliveries d SET due_at = later.at FROM unnest($1::text[], $2::double precision[]) AS later (id, at)
WHERE d.id = later.id AND d.state = 'pending'
"""
RECORD = "UPDATE deliveries SET state = $1, attempts = $2, due_at = $3 WHERE id = $4"
INSERT_ATTEMPT = insert("attempts", ATTEMPT)
NEXT_DUE = "SELECT min(due_at) FROM deliveries WHERE state = 'pending'"
OF_PREDICTION = f"{SELECT} WHERE d.prediction_id = $1 ORDER BY d.created_at, d.id"
ATTEMPTS = f"""
SELECT {select(ATTEMPT, "a")} FROM attempts a WHERE a.delivery_id = ANY ($1) ORDER BY a.delivery_id, a.number
"""
REPLAY = "UPDATE deliveries SET state = 'pending', due_at = $1 WHERE id = $2 AND account_id = $3 AND state <> 'pending'"


class PostgresOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, now: float, until: float, limit: int) -> list[Delivery]:
        return [delivery_of(row) for row in await self._database.fetch(TAKE, now, until, limit)]

    async def put_off(self, until: Mapping[str, float]) -> None:
        await self._database.execute(PUT_OFF, list(until), list(until.values()))

    async def record(self, delivery: Delivery, attempt: Attempt) -> None:
        with conflict(f"Attempt {attempt.number} of delivery {delivery.id} is stored already, or it is gone."):
            async with self._database.transaction() as connection:
                await connection.execute(RECORD, delivery.state.value, delivery.attempts, delivery.due_at, delivery.id)
                await connection.execute(INSERT_ATTEMPT, *clean(attempt_row(attempt)))

    async def next_due(self) -> float | None:
        due: float | None = (await self._database.fetch(NEXT_DUE))[0][0]
        return due

    async def of_prediction(self, prediction_id: str) -> list[tuple[Delivery, list[Attempt]]]:
        return await self._with_attempts(await self._database.fetch(OF_PREDICTION, prediction_id))

    async def page(
        self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None
    ) -> Page[tuple[Delivery, list[Attempt]]]:
        rows = await walk(self._database, SELECT, "d", [("d.account_id = {}", account_id)], limit, cursor)
        found = await self._with_attempts(rows)
        return page(found, limit, cursor, lambda item: (item[0].created_at, item[0].id))

    async def replay(self, delivery_id: str, account_id: str, due_at: float) -> bool:
        return await self._database.execute(REPLAY, due_at, delivery_id, account_id) > 0

    async def _with_attempts(self, rows: list[Any]) -> list[tuple[Delivery, list[Attempt]]]:
        attempts: dict[str, list[Attempt]] = {row[0]: [] for row in rows}
        for row in await self._database.fetch(ATTEMPTS, list(attempts)):
            attempts[row[0]].append(attempt_of(row))
        return [(delivery_of(row), attempts[row[0]]) for row in rows]
