"""Webhook deliveries and what came of each try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apsw
import msgspec

from hearth.domain.webhook import Attempt, Delivery
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.rows import ATTEMPT, DELIVERY, attempt_of, attempt_row, delivery_of, select, to_json
from hearth.store.sqlite.sql import conflict, fetch, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

SELECT = f"SELECT {select(DELIVERY, 'd')} FROM deliveries d"
DUE = f"{SELECT} WHERE d.state = 'pending' AND d.due_at <= ? ORDER BY d.due_at, d.id LIMIT ?"
TAKE = "UPDATE deliveries SET due_at = ? WHERE id = ?"
PUT_OFF = "UPDATE deliveries SET due_at = ? WHERE id = ? AND state = 'pending'"
RECORD = "UPDATE deliveries SET state = ?, attempts = ?, due_at = ? WHERE id = ?"
INSERT_ATTEMPT = insert("attempts", ATTEMPT)
NEXT_DUE = "SELECT min(due_at) FROM deliveries WHERE state = 'pending'"
OF_PREDICTION = f"{SELECT} WHERE d.prediction_id = ? ORDER BY d.created_at, d.id"
ATTEMPTS = f"""
SELECT {select(ATTEMPT, "a")} FROM attempts a
WHERE a.delivery_id IN (SELECT value FROM json_each(?)) ORDER BY a.delivery_id, a.number
"""
REPLAY = "UPDATE deliveries SET state = 'pending', due_at = ? WHERE id = ? AND account_id = ? AND state <> 'pending'"


class SQLiteOutbox:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def claim(self, now: float, until: float, limit: int) -> list[Delivery]:
        def operation(db: apsw.Connection) -> list[tuple[Any, ...]]:
            rows = fetch(db, DUE, (now, limit))
            db.executemany(TAKE, [(until, row[0]) for row in rows])
            return rows

        rows = await self._writer.submit(operation)
        return [msgspec.structs.replace(delivery_of(row), due_at=until) for row in rows]

    async def put_off(self, until: Mapping[str, float]) -> None:
        def operation(db: apsw.Connection) -> None:
            db.executemany(PUT_OFF, [(at, id) for id, at in until.items()])

        await self._writer.submit(operation)

    async def record(self, delivery: Delivery, attempt: Attempt) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(RECORD, (delivery.state.value, delivery.attempts, delivery.due_at, delivery.id))
            with conflict(f"Attempt {attempt.number} of delivery {delivery.id} is stored already, or it is gone."):
                db.execute(INSERT_ATTEMPT, attempt_row(attempt))

        await self._writer.submit(operation)

    async def next_due(self) -> float | None:
        due: float | None = (await self._readers.submit(lambda db: fetch(db, NEXT_DUE)))[0][0]
        return due

    async def of_prediction(self, prediction_id: str) -> list[tuple[Delivery, list[Attempt]]]:
        def operation(db: apsw.Connection) -> list[tuple[Delivery, list[Attempt]]]:
            return _with_attempts(db, fetch(db, OF_PREDICTION, (prediction_id,)))

        return await self._readers.submit(operation)

    async def page(
        self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None
    ) -> Page[tuple[Delivery, list[Attempt]]]:
        def operation(db: apsw.Connection) -> list[tuple[Delivery, list[Attempt]]]:
            return _with_attempts(db, walk(db, SELECT, "d", ["d.account_id = ?"], [account_id], limit, cursor))

        found = await self._readers.submit(operation)
        return page(found, limit, cursor, lambda item: (item[0].created_at, item[0].id))

    async def replay(self, delivery_id: str, account_id: str, due_at: float) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(REPLAY, (due_at, delivery_id, account_id))
            return db.changes() > 0

        return await self._writer.submit(operation)


def _with_attempts(db: apsw.Connection, rows: list[tuple[Any, ...]]) -> list[tuple[Delivery, list[Attempt]]]:
    attempts: dict[str, list[Attempt]] = {row[0]: [] for row in rows}
    for row in db.execute(ATTEMPTS, (to_json(list(attempts)),)):
        attempts[row[0]].append(attempt_of(row))
    return [(delivery_of(row), attempts[row[0]]) for row in rows]
