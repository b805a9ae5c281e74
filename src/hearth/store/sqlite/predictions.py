"""Predictions and their events."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

import apsw

from hearth.domain.events import Event, Kind, decode, encode
from hearth.domain.limits import Once
from hearth.domain.prediction import EXAMPLE, Phase, Prediction, PredictionKind
from hearth.domain.priority import matures
from hearth.domain.webhook import Delivery
from hearth.store.base import Change, Cursor, Lease, Page
from hearth.store.paging import page
from hearth.store.rows import (
    DELIVERY,
    PREDICTION,
    delivery_row,
    prediction_of,
    prediction_row,
    select,
    to_json,
    trained,
)
from hearth.store.sqlite.examples import show
from hearth.store.sqlite.idempotency import take
from hearth.store.sqlite.models import INSERT_VERSION, MAKE_LATEST
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("predictions", PREDICTION)
INSERT_DELIVERY = insert("deliveries", DELIVERY)
INSERT_SEGMENT = "INSERT INTO events (prediction_id, seq, count, items) VALUES (?, ?, ?, ?)"
ENQUEUE = """
INSERT INTO queue (prediction_id, version, created_at, matures_at, owner, until, secrets) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
DEQUEUE = "DELETE FROM queue WHERE prediction_id = ?"
MARK_DELIVERED = "UPDATE queue SET delivered = 1 WHERE prediction_id = ? AND delivered = 0"
COUNT_RUN = "INSERT INTO model_runs VALUES (?, 1) ON CONFLICT (model) DO UPDATE SET count = count + 1"

# A cancel request is never forgotten, though the change was made from a row read before it.
_RECORD = """
UPDATE predictions
SET phase = ?, reason = ?, error = ?, metrics = ?, started_at = ?, completed_at = ?, deadline = ?, attempt = ?,
    events = ?, cancel_requested_at = coalesce(cancel_requested_at, ?){more}
WHERE id = ? AND completed_at IS NULL{guard}
"""
_OUTPUT = ", output = ?, logs = ?"
_OWNED = " AND EXISTS (SELECT 1 FROM queue WHERE prediction_id = predictions.id AND owner = ?)"
RECORD = {
    (terminal, owned): _RECORD.format(more=_OUTPUT if terminal else "", guard=_OWNED if owned else "")
    for terminal in (False, True)
    for owned in (False, True)
}

KEEP_WEIGHTS = "UPDATE files SET expires_at = NULL, prediction_id = NULL WHERE id = ?"

SELECT = f"SELECT {select(PREDICTION, 'p')} FROM predictions p"
GET = f"{SELECT} WHERE p.id = ?"
MANY = f"{SELECT} WHERE p.id IN (SELECT value FROM json_each(?))"
DELETE_DELIVERIES = "DELETE FROM deliveries WHERE prediction_id IN (SELECT value FROM json_each(?))"
DELETE = "DELETE FROM predictions WHERE id IN (SELECT value FROM json_each(?))"
# Starts with the segment that holds `after`, if there is one.
EVENTS = """
SELECT items FROM events
WHERE prediction_id = ?1
  AND seq >= coalesce((SELECT max(seq) FROM events WHERE prediction_id = ?1 AND seq <= ?2), 0)
ORDER BY seq
"""
REQUEST_CANCEL = """
UPDATE predictions SET cancel_requested_at = ?
WHERE id = ? AND cancel_requested_at IS NULL AND completed_at IS NULL
"""
MARK_CANCELED = "UPDATE queue SET cancel_requested = 1 WHERE prediction_id = ?"
# What a webhook still has to tell must not be taken from it: such a prediction waits for a later sweep.
_SCRUBBABLE = """
SELECT id FROM predictions p
WHERE {due} AND completed_at IS NOT NULL AND data_removed = 0 AND kept = 0 AND source = 'api' AND kind = 'prediction'
  AND NOT EXISTS (SELECT 1 FROM deliveries WHERE prediction_id = p.id AND state = 'pending')
ORDER BY {at} LIMIT ?
"""
SCRUBBABLE = _SCRUBBABLE.format(due="retention IS NULL AND completed_at < ?", at="completed_at")
SCRUBBABLE_OWN = _SCRUBBABLE.format(
    due="retention IS NOT NULL AND completed_at + retention < ?", at="completed_at + retention"
)
SHARE = """
UPDATE predictions SET shared = ?1, kept = ?1 OR EXISTS (SELECT 1 FROM examples WHERE id = ?2) WHERE id = ?2
"""
SHARED = "SELECT shared FROM predictions WHERE id = ?"
SCRUB = """
UPDATE predictions SET input = '{}', output = NULL, logs = '', data_removed = 1 WHERE id = ?
"""
SCRUB_EVENTS = "DELETE FROM events WHERE prediction_id = ?"
SCRUB_DELIVERIES = "DELETE FROM deliveries WHERE prediction_id = ?"
EXPIRE_FILES = "UPDATE files SET expires_at = ? WHERE prediction_id = ?"


class SQLitePredictions:
    ordered = True

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    def create(
        self,
        prediction: Prediction,
        events: Sequence[Event],
        *,
        lease: Lease | None = None,
        secrets: bytes | None = None,
        deliveries: Sequence[Delivery] = (),
        once: Once | None = None,
        linger: float = 0.0,
    ) -> Awaitable[None]:
        p, row, segment = prediction, prediction_row(prediction), _segment(prediction.id, events)
        owner, until = lease or (None, None)
        queued = (p.id, p.version, p.created_at, matures(p.priority, p.created_at), owner, until, secrets)

        def operation(db: apsw.Connection) -> None:
            if once is not None:
                take(db, once, p.created_at, prediction_id=p.id)
            with conflict(f"There is a prediction {p.id} already."):
                db.execute(INSERT, row)
            if not p.phase.terminal:
                db.execute(ENQUEUE, queued)
            _append(db, p.id, segment, deliveries)
            db.execute(COUNT_RUN, (p.model,))

        return self._writer.submit(operation, linger)

    def record(self, change: Change) -> Awaitable[bool]:
        p, owner, segment = change.prediction, change.owner, _segment(change.prediction.id, change.events)
        deliveries, terminal = change.deliveries, change.prediction.phase.terminal
        values = [
            p.phase.value, p.reason, p.error, to_json(p.metrics), p.started_at, p.completed_at, p.deadline, p.attempt,
            p.events, p.cancel_requested_at,
        ]  # fmt: skip
        if terminal:
            values += (None if p.output is None else to_json(p.output), p.logs)
        values.append(p.id)
        if owner is not None:
            values.append(owner)
        sql = RECORD[terminal, owner is not None]
        delivered = not terminal and any(event.kind is Kind.OUTPUT for event in change.events)
        made = None if change.version is None else trained(change.version)

        def operation(db: apsw.Connection) -> bool:
            db.execute(sql, values)
            if not db.changes():
                return False
            if terminal:
                db.execute(DEQUEUE, (p.id,))
            elif delivered:
                db.execute(MARK_DELIVERED, (p.id,))
            _append(db, p.id, segment, deliveries)
            if made is not None:
                _publish(db, *made)
            if p.source == EXAMPLE and p.phase is Phase.SUCCEEDED:
                show(db, p.id)
            return True

        return self._writer.submit(operation, soft=change.soft)

    async def get(self, id: str) -> Prediction | None:
        row = await self._readers.submit(lambda db: first(db, GET, (id,)))
        return prediction_of(row) if row else None

    async def many(self, ids: Sequence[str]) -> dict[str, Prediction]:
        rows = await self._readers.submit(lambda db: fetch(db, MANY, (to_json(ids),)))
        return {row[0]: prediction_of(row) for row in rows}

    async def delete(self, ids: Sequence[str]) -> None:
        gone = (to_json(ids),)

        def operation(db: apsw.Connection) -> None:
            db.execute(DELETE_DELIVERIES, gone)
            db.execute(DELETE, gone)

        await self._writer.submit(operation)

    async def events(self, id: str, after: int = -1) -> list[Event]:
        rows = await self._readers.submit(lambda db: fetch(db, EVENTS, (id, after)))
        return [event for (items,) in rows for event in decode(items) if event.seq > after]

    async def page(
        self,
        account_id: str,
        kind: PredictionKind,
        *,
        limit: int = 100,
        cursor: Cursor | None = None,
        created_after: float | None = None,
        created_before: float | None = None,
        source: str | None = None,
    ) -> Page[Prediction]:
        where, args = ["p.account_id = ?", "p.kind = ?"], [account_id, kind.value]
        if source is not None:
            # Says again what the partial index says, else the planner does not take it.
            where.append("p.source = ?" if source == "api" else "p.source = ? AND p.source <> 'api'")
            args.append(source)

        def operation(db: apsw.Connection) -> list[tuple[Any, ...]]:
            return walk(db, SELECT, "p", where, args, limit, cursor, created_after, created_before)

        rows = await self._readers.submit(operation)
        return page([prediction_of(row) for row in rows], limit, cursor, lambda p: (p.created_at, p.id))

    async def request_cancel(self, id: str, at: float) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(REQUEST_CANCEL, (at, id))
            if not db.changes():
                return False
            db.execute(MARK_CANCELED, (id,))
            return True

        return await self._writer.submit(operation)

    async def share(self, id: str, shared: bool) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(SHARE, (shared, id))
            return db.changes() > 0

        return await self._writer.submit(operation)

    async def shared(self, id: str) -> bool:
        row = await self._readers.submit(lambda db: first(db, SHARED, (id,)))
        return bool(row and row[0])

    async def scrub(self, now: float, limit: int, retention: float = 0.0) -> list[str]:
        def operation(db: apsw.Connection) -> list[str]:
            rows = fetch(db, SCRUBBABLE_OWN, (now, limit))
            rows += fetch(db, SCRUBBABLE, (now - retention, limit - len(rows)))
            for sql in (SCRUB, SCRUB_EVENTS, SCRUB_DELIVERIES):
                db.executemany(sql, rows)
            db.executemany(EXPIRE_FILES, [(now, id) for (id,) in rows])
            return [id for (id,) in rows]

        return await self._writer.submit(operation)


def _publish(db: apsw.Connection, row: Sequence[Any], latest: Sequence[Any], weights: str | None) -> None:
    """A destination that was deleted meanwhile gets no version; the training has succeeded even so."""
    db.execute(MAKE_LATEST, latest)
    if db.changes():
        db.execute(INSERT_VERSION, row)
        if db.changes():  # else it exists already, with weights of the same content
            db.execute(KEEP_WEIGHTS, (weights,))


def _segment(id: str, events: Sequence[Event]) -> tuple[str, int, int, str] | None:
    return (id, events[0].seq, len(events), encode(list(events)).decode()) if events else None


def _append(
    db: apsw.Connection, id: str, segment: tuple[str, int, int, str] | None, deliveries: Sequence[Delivery]
) -> None:
    if segment is not None:
        with conflict(f"Event {segment[1]} of prediction {id} is stored already."):
            db.execute(INSERT_SEGMENT, segment)
    if deliveries:
        with conflict(f"A webhook delivery of prediction {id} is stored already."):
            db.executemany(INSERT_DELIVERY, [delivery_row(delivery) for delivery in deliveries])
