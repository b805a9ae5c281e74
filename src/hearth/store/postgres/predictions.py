"""Predictions and their events. A create and a record without webhooks are one round trip each."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from hearth.domain.events import Event, Kind, decode, encode
from hearth.domain.limits import Once
from hearth.domain.model import Version
from hearth.domain.prediction import EXAMPLE, Phase, Prediction, PredictionKind
from hearth.domain.priority import matures
from hearth.domain.webhook import Delivery
from hearth.store.base import Change, Cursor, Lease, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, changed, clean, conflict, insert, walk
from hearth.store.postgres.examples import show
from hearth.store.postgres.idempotency import take
from hearth.store.postgres.models import INSERT_VERSION, MAKE_LATEST
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

_N = len(PREDICTION)
CREATE = f"""
WITH created AS (
    {insert("predictions", PREDICTION)} RETURNING id, version, created_at, model, completed_at
), queued AS (
    INSERT INTO queue (prediction_id, version, created_at, matures_at, owner, until, secrets)
    SELECT id, version, created_at, ${_N + 1}, ${_N + 2}, ${_N + 3}, ${_N + 4} FROM created WHERE completed_at IS NULL
), appended AS (
    INSERT INTO events (prediction_id, seq, count, items)
    SELECT id, ${_N + 5}, ${_N + 6}, ${_N + 7} FROM created WHERE ${_N + 6}::bigint > 0
)
INSERT INTO model_runs (model, shard, count) SELECT model, pg_backend_pid() % 16, 1 FROM created
ON CONFLICT (model, shard) DO UPDATE SET count = model_runs.count + 1
"""

# The queue's row is taken first, its owner checked under the lock: a claim by somebody else comes before or after.
_GUARD = "prediction_id = $1 AND ($2::text IS NULL OR owner = $2)"
_HOLD = f"SELECT prediction_id FROM queue WHERE {_GUARD} FOR UPDATE"
_MARK = f"UPDATE queue SET delivered = true WHERE {_GUARD} RETURNING prediction_id"
_END = f"DELETE FROM queue WHERE {_GUARD} RETURNING prediction_id"
# A cancel request is never forgotten, though the change was made from a row read before it.
_RECORD = """
WITH held AS (
    {hold}
), changed AS (
    UPDATE predictions p
    SET phase = $6, reason = $7, error = $8, metrics = $9, started_at = $10, completed_at = $11, deadline = $12,
        attempt = $13, events = $14, cancel_requested_at = coalesce(p.cancel_requested_at, $15){output}
    FROM held WHERE p.id = held.prediction_id AND p.completed_at IS NULL
    RETURNING p.id
), appended AS (
    INSERT INTO events (prediction_id, seq, count, items)
    SELECT id, $3, $4, $5 FROM changed WHERE $4::bigint > 0
)
SELECT count(*) FROM changed
"""
RECORD = _RECORD.format(hold=_HOLD, output="")
RECORD_DELIVERED = _RECORD.format(hold=_MARK, output="")
RECORD_END = _RECORD.format(hold=_END, output=", output = $16, logs = $17")
INSERT_DELIVERY = insert("deliveries", DELIVERY)

KEEP_WEIGHTS = "UPDATE files SET expires_at = NULL, prediction_id = NULL WHERE id = $1"

SELECT = f"SELECT {select(PREDICTION, 'p')} FROM predictions p"
GET = f"{SELECT} WHERE p.id = $1"
MANY = f"{SELECT} WHERE p.id = ANY ($1)"
DELETE = """
WITH unsent AS (
    DELETE FROM deliveries WHERE prediction_id = ANY ($1)
)
DELETE FROM predictions WHERE id = ANY ($1)
"""
# Starts with the segment that holds `after`, if there is one.
EVENTS = """
SELECT items FROM events
WHERE prediction_id = $1
  AND seq >= coalesce((SELECT max(seq) FROM events WHERE prediction_id = $1 AND seq <= $2), 0)
ORDER BY seq
"""
REQUEST_CANCEL = """
WITH marked AS (
    UPDATE queue SET cancel_requested = true WHERE prediction_id = $1 AND NOT cancel_requested RETURNING prediction_id
)
UPDATE predictions p SET cancel_requested_at = $2 FROM marked WHERE p.id = marked.prediction_id
"""
# What a webhook still has to tell must not be taken from it: such a prediction waits for a later sweep.
_SCRUB = """
WITH ended AS (
    SELECT id FROM predictions p
    WHERE {due} AND completed_at IS NOT NULL AND NOT data_removed AND NOT kept AND source = 'api'
      AND kind = 'prediction'
      AND NOT EXISTS (SELECT 1 FROM deliveries WHERE prediction_id = p.id AND state = 'pending')
    ORDER BY {at} LIMIT $2
    FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM events USING ended WHERE events.prediction_id = ended.id
), unsent AS (
    DELETE FROM deliveries USING ended WHERE deliveries.prediction_id = ended.id
), expired AS (
    UPDATE files SET expires_at = $3 FROM ended WHERE files.prediction_id = ended.id
)
UPDATE predictions p SET input = '{{}}', output = NULL, logs = '', data_removed = true
FROM ended WHERE p.id = ended.id
RETURNING p.id
"""
SCRUB = _SCRUB.format(due="retention IS NULL AND completed_at < $1", at="completed_at")
SCRUB_OWN = _SCRUB.format(due="retention IS NOT NULL AND completed_at + retention < $1", at="completed_at + retention")
SHARE = """
UPDATE predictions SET shared = $1, kept = $1 OR EXISTS (SELECT 1 FROM examples WHERE id = $2) WHERE id = $2
"""
SHARED = "SELECT shared FROM predictions WHERE id = $1"


class PostgresPredictions:
    ordered = False

    def __init__(self, database: Database) -> None:
        self._database = database

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
        at = matures(prediction.priority, prediction.created_at)
        args = [*prediction_row(prediction), at, *(lease or (None, None)), secrets, *_segment(events)]
        return self._database.start(self._create(prediction, args, deliveries, once))

    async def _create(
        self, prediction: Prediction, args: list[Any], deliveries: Sequence[Delivery], once: Once | None
    ) -> None:
        id = prediction.id
        with conflict(f"There is a prediction {id}, or one of its webhook deliveries, already."):
            if not deliveries and once is None:
                await self._database.execute(CREATE, *args)
                return
            async with self._database.transaction() as connection:
                if once is not None:
                    await take(connection, once, prediction.created_at, prediction_id=id)
                await connection.execute(CREATE, *clean(args))
                await connection.executemany(INSERT_DELIVERY, _rows(deliveries))

    def record(self, change: Change) -> Awaitable[bool]:
        p, terminal = change.prediction, change.prediction.phase.terminal
        args = [
            p.id, change.owner, *_segment(change.events), p.phase.value, p.reason, p.error, to_json(p.metrics),
            p.started_at, p.completed_at, p.deadline, p.attempt, p.events, p.cancel_requested_at,
        ]  # fmt: skip
        sql = RECORD
        if terminal:
            args += (None if p.output is None else to_json(p.output), p.logs)
            sql = RECORD_END
        elif any(event.kind is Kind.OUTPUT for event in change.events):
            sql = RECORD_DELIVERED
        shown = p.source == EXAMPLE and p.phase is Phase.SUCCEEDED
        return self._database.start(self._record(p.id, sql, args, change.deliveries, change.version, shown))

    async def _record(
        self,
        id: str,
        sql: str,
        args: list[Any],
        deliveries: Sequence[Delivery],
        version: Version | None,
        shown: bool,
    ) -> bool:
        with conflict(f"An event or a webhook delivery of prediction {id} is stored already."):
            if not deliveries and version is None and not shown:
                return await self._database.first(sql, *args) == (1,)
            async with self._database.transaction() as connection:
                if not await connection.fetchval(sql, *clean(args)):
                    return False
                await connection.executemany(INSERT_DELIVERY, _rows(deliveries))
                if version is not None:
                    await _publish(connection, version)
                if shown:
                    await show(connection, id)
                return True

    async def get(self, id: str) -> Prediction | None:
        row = await self._database.first(GET, id)
        return prediction_of(row) if row else None

    async def many(self, ids: Sequence[str]) -> dict[str, Prediction]:
        return {row[0]: prediction_of(row) for row in await self._database.fetch(MANY, list(ids))}

    async def delete(self, ids: Sequence[str]) -> None:
        await self._database.execute(DELETE, list(ids))

    async def events(self, id: str, after: int = -1) -> list[Event]:
        rows = await self._database.fetch(EVENTS, id, after)
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
        where: list[tuple[str, Any]] = [("p.account_id = {}", account_id), ("p.kind = {}", kind.value)]
        if source is not None:
            # Says again what the partial index says, else the planner does not take it.
            where.append(("p.source = {}" if source == "api" else "p.source = {} AND p.source <> 'api'", source))
        rows = await walk(self._database, SELECT, "p", where, limit, cursor, created_after, created_before)
        return page([prediction_of(row) for row in rows], limit, cursor, lambda p: (p.created_at, p.id))

    async def request_cancel(self, id: str, at: float) -> bool:
        return await self._database.execute(REQUEST_CANCEL, id, at) > 0

    async def share(self, id: str, shared: bool) -> bool:
        return await self._database.execute(SHARE, shared, id) > 0

    async def shared(self, id: str) -> bool:
        row = await self._database.first(SHARED, id)
        return bool(row and row[0])

    async def scrub(self, now: float, limit: int, retention: float = 0.0) -> list[str]:
        rows = await self._database.fetch(SCRUB_OWN, now, limit, now)
        rows += await self._database.fetch(SCRUB, now - retention, limit - len(rows), now)
        return [id for (id,) in rows]


async def _publish(connection: Any, version: Version) -> None:
    """A destination that was deleted meanwhile gets no version; the training has succeeded even so."""
    row, latest, weights = trained(version)
    if not changed(await connection.execute(MAKE_LATEST, *latest)):
        return
    # If it exists already, it has weights of the same content.
    if changed(await connection.execute(INSERT_VERSION, *clean(row))):
        await connection.execute(KEEP_WEIGHTS, weights)


def _segment(events: Sequence[Event]) -> tuple[int, int, str]:
    """First seq, count and items; a count of 0 is not stored."""
    return (events[0].seq, len(events), encode(list(events)).decode()) if events else (0, 0, "[]")


def _rows(deliveries: Sequence[Delivery]) -> list[list[Any]]:
    return [clean(delivery_row(delivery)) for delivery in deliveries]
