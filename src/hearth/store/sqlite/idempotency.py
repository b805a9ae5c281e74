"""Idempotency keys: which create they stand for, and the answer it had."""

from __future__ import annotations

import apsw

from hearth.domain.limits import KEY_LIFE, Kept, Once
from hearth.errors import Conflict
from hearth.store.sqlite.sql import first
from hearth.store.sqlite.threads import Readers, Writer

# A key whose time is over, or whose holder did not come back, is free again.
TAKE = f"""
INSERT INTO idempotency (account_id, key, fingerprint, created_at, prediction_id, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (account_id, key) DO UPDATE
SET fingerprint = ?3, created_at = ?4, prediction_id = ?5, until = ?6, status = NULL, body = NULL
WHERE idempotency.created_at <= ?4 - {KEY_LIFE} OR idempotency.until <= ?4
"""
GET = """
SELECT fingerprint, prediction_id, until, status, body FROM idempotency
WHERE account_id = ? AND key = ? AND created_at > ?
"""
FINISH = "UPDATE idempotency SET until = NULL, status = ?, body = ? WHERE account_id = ? AND key = ?"
DROP = "DELETE FROM idempotency WHERE account_id = ? AND key = ? AND until IS NOT NULL"
EXPIRE = """
DELETE FROM idempotency WHERE (account_id, key) IN
    (SELECT account_id, key FROM idempotency WHERE created_at <= ? ORDER BY created_at LIMIT ?)
"""


def take(db: apsw.Connection, once: Once, at: float, *, prediction_id: str | None = None) -> None:
    """Inside the transaction that makes what the key stands for. Raises Conflict if the key is taken."""
    db.execute(TAKE, (once.account_id, once.key, once.fingerprint, at, prediction_id, None))
    if not db.changes():
        raise Conflict(f"The idempotency key {once.key} is taken.")


class SQLiteIdempotency:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def begin(self, once: Once, now: float, until: float) -> Kept | None:
        def operation(db: apsw.Connection) -> Kept | None:
            db.execute(TAKE, (once.account_id, once.key, once.fingerprint, now, None, until))
            return None if db.changes() else _get(db, once.account_id, once.key, now)

        return await self._writer.submit(operation)

    async def get(self, account_id: str, key: str, now: float) -> Kept | None:
        return await self._readers.submit(lambda db: _get(db, account_id, key, now))

    async def finish(self, account_id: str, key: str, status: int, body: bytes) -> None:
        await self._writer.submit(lambda db: db.execute(FINISH, (status, body, account_id, key)) and None)

    async def drop(self, account_id: str, key: str) -> None:
        await self._writer.submit(lambda db: db.execute(DROP, (account_id, key)) and None)

    async def expire(self, now: float, limit: int) -> int:
        def operation(db: apsw.Connection) -> int:
            db.execute(EXPIRE, (now - KEY_LIFE, limit))
            return db.changes()

        return await self._writer.submit(operation)


def _get(db: apsw.Connection, account_id: str, key: str, now: float) -> Kept | None:
    row = first(db, GET, (account_id, key, now - KEY_LIFE))
    if row is None:
        return None
    fingerprint, prediction_id, until, status, body = row
    return Kept(fingerprint=fingerprint, prediction_id=prediction_id, until=until, status=status, body=body)
