"""Sessions and passwords."""

from __future__ import annotations

import apsw

from hearth.domain.account import Account
from hearth.domain.session import Session, SessionKind
from hearth.store.rows import ACCOUNT, SESSION, account_of, select, session_of, session_row
from hearth.store.sqlite.sql import conflict, fetch, first, insert
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("sessions", SESSION)
FORGET = "DELETE FROM sessions WHERE expires_at < ?"
GET = f"""
SELECT {select(SESSION, "s")}, {select(ACCOUNT, "a")} FROM sessions s JOIN accounts a ON a.id = s.account_id
WHERE s.hash = ?
"""
OF_ACCOUNT = f"""
SELECT {select(SESSION, "s")} FROM sessions s WHERE s.account_id = ? AND s.kind = ?
ORDER BY s.created_at DESC, s.hash DESC LIMIT 100
"""
END = f"DELETE FROM sessions WHERE hash = ? RETURNING {', '.join(SESSION)}"
END_ALL = "DELETE FROM sessions WHERE account_id = ? AND hash IS NOT ?"
PASSWORD = f"""
SELECT p.hash, {select(ACCOUNT, "a")} FROM accounts a LEFT JOIN passwords p ON p.account_id = a.id
WHERE a.username = ?
"""
SET_PASSWORD = """
INSERT INTO passwords VALUES (?, ?, ?)
ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at
"""
DROP_PASSWORD = "DELETE FROM passwords WHERE account_id = ?"


class SQLiteSessions:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, session: Session) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(FORGET, (session.created_at,))
            with conflict("This session exists already, or its account does not."):
                db.execute(INSERT, session_row(session))

        await self._writer.submit(operation)

    async def get(self, hash: str) -> tuple[Session, Account] | None:
        row = await self._readers.submit(lambda db: first(db, GET, (hash,)))
        return (session_of(row[: len(SESSION)]), account_of(row[len(SESSION) :])) if row else None

    async def of_account(self, account_id: str, kind: SessionKind) -> list[Session]:
        rows = await self._readers.submit(lambda db: fetch(db, OF_ACCOUNT, (account_id, kind.value)))
        return [session_of(row) for row in rows]

    async def end(self, hash: str) -> Session | None:
        row = await self._writer.submit(lambda db: first(db, END, (hash,)))
        return session_of(row) if row else None

    async def end_all(self, account_id: str, keep: str | None = None) -> int:
        def operation(db: apsw.Connection) -> int:
            db.execute(END_ALL, (account_id, keep))
            return db.changes()

        return await self._writer.submit(operation)

    async def password(self, username: str) -> tuple[Account, str | None] | None:
        row = await self._readers.submit(lambda db: first(db, PASSWORD, (username,)))
        return (account_of(row[1:]), row[0]) if row else None

    async def set_password(self, account_id: str, hash: str | None, at: float) -> None:
        def operation(db: apsw.Connection) -> None:
            if hash is None:
                db.execute(DROP_PASSWORD, (account_id,))
                return
            with conflict("This account does not exist."):
                db.execute(SET_PASSWORD, (account_id, hash, at))

        await self._writer.submit(operation)
