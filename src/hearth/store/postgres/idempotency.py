"""Idempotency keys: which create they stand for, and the answer it had."""

from __future__ import annotations

from typing import Any

from hearth.domain.limits import KEY_LIFE, Kept, Once
from hearth.errors import Conflict
from hearth.store.postgres.database import Database, changed, clean

# A key whose time is over, or whose holder did not come back, is free again.
TAKE = f"""
INSERT INTO idempotency AS i (account_id, key, fingerprint, created_at, prediction_id, until)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (account_id, key) DO UPDATE
SET fingerprint = $3, created_at = $4, prediction_id = $5, until = $6, status = NULL, body = NULL
WHERE i.created_at <= $4 - {KEY_LIFE} OR i.until <= $4
"""
GET = """
SELECT fingerprint, prediction_id, until, status, body FROM idempotency
WHERE account_id = $1 AND key = $2 AND created_at > $3
"""
FINISH = "UPDATE idempotency SET until = NULL, status = $1, body = $2 WHERE account_id = $3 AND key = $4"
DROP = "DELETE FROM idempotency WHERE account_id = $1 AND key = $2 AND until IS NOT NULL"
EXPIRE = """
DELETE FROM idempotency WHERE (account_id, key) IN
    (SELECT account_id, key FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT $2)
"""


async def take(connection: Any, once: Once, at: float, *, prediction_id: str | None = None) -> None:
    """Inside the transaction that makes what the key stands for. Raises Conflict if the key is taken.

    A rival's insert is waited for: it is either committed by then, or the key is ours.
    """
    args = clean((once.account_id, once.key, once.fingerprint, at, prediction_id, None))
    if not changed(await connection.execute(TAKE, *args)):
        raise Conflict(f"The idempotency key {once.key} is taken.")


class PostgresIdempotency:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, once: Once, now: float, until: float) -> Kept | None:
        args = (once.account_id, once.key, once.fingerprint, now, None, until)
        while not await self._database.execute(TAKE, *args):
            kept = await self.get(once.account_id, once.key, now)
            if kept is not None:  # else its holder has just given it up
                return kept
        return None

    async def get(self, account_id: str, key: str, now: float) -> Kept | None:
        row = await self._database.first(GET, account_id, key, now - KEY_LIFE)
        if row is None:
            return None
        fingerprint, prediction_id, until, status, body = row
        return Kept(fingerprint=fingerprint, prediction_id=prediction_id, until=until, status=status, body=body)

    async def finish(self, account_id: str, key: str, status: int, body: bytes) -> None:
        await self._database.execute(FINISH, status, body, account_id, key)

    async def drop(self, account_id: str, key: str) -> None:
        await self._database.execute(DROP, account_id, key)

    async def expire(self, now: float, limit: int) -> int:
        return await self._database.execute(EXPIRE, now - KEY_LIFE, limit)
