"""Sessions and passwords."""

from __future__ import annotations

from hearth.domain.account import Account
from hearth.domain.session import Session, SessionKind
from hearth.store.postgres.database import Database, conflict, insert
from hearth.store.rows import ACCOUNT, SESSION, account_of, select, session_of, session_row

ADD = f"""
WITH forgotten AS (
    DELETE FROM sessions WHERE expires_at < ${len(SESSION) + 1}
)
{insert("sessions", SESSION)}
"""
GET = f"""
SELECT {select(SESSION, "s")}, {select(ACCOUNT, "a")} FROM sessions s JOIN accounts a ON a.id = s.account_id
WHERE s.hash = $1
"""
OF_ACCOUNT = f"""
SELECT {select(SESSION, "s")} FROM sessions s WHERE s.account_id = $1 AND s.kind = $2
ORDER BY s.created_at DESC, s.hash DESC LIMIT 100
"""
END = f"DELETE FROM sessions WHERE hash = $1 RETURNING {', '.join(SESSION)}"
END_ALL = "DELETE FROM sessions WHERE account_id = $1 AND hash IS DISTINCT FROM $2"
PASSWORD = f"""
SELECT p.hash, {select(ACCOUNT, "a")} FROM accounts a LEFT JOIN passwords p ON p.account_id = a.id
WHERE a.username = $1
"""
SET_PASSWORD = """
INSERT INTO passwords VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at
"""
DROP_PASSWORD = "DELETE FROM passwords WHERE account_id = $1"


class PostgresSessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session) -> None:
        with conflict("This session exists already, or its account does not."):
            await self._database.execute(ADD, *session_row(session), session.created_at)

    async def get(self, hash: str) -> tuple[Session, Account] | None:
        row = await self._database.first(GET, hash)
        return (session_of(row[: len(SESSION)]), account_of(row[len(SESSION) :])) if row else None

    async def of_account(self, account_id: str, kind: SessionKind) -> list[Session]:
        return [session_of(row) for row in await self._database.fetch(OF_ACCOUNT, account_id, kind.value)]

    async def end(self, hash: str) -> Session | None:
        row = await self._database.first(END, hash)
        return session_of(row) if row else None

    async def end_all(self, account_id: str, keep: str | None = None) -> int:
        return await self._database.execute(END_ALL, account_id, keep)

    async def password(self, username: str) -> tuple[Account, str | None] | None:
        row = await self._database.first(PASSWORD, username)
        return (account_of(row[1:]), row[0]) if row else None

    async def set_password(self, account_id: str, hash: str | None, at: float) -> None:
        if hash is None:
            await self._database.execute(DROP_PASSWORD, account_id)
            return
        with conflict("This account does not exist."):
            await self._database.execute(SET_PASSWORD, account_id, hash, at)
