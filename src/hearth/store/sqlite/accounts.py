"""Accounts and their tokens."""

from __future__ import annotations

from typing import Any

import apsw
from msgspec.structs import replace

from hearth.domain.account import Account, Token
from hearth.domain.priority import Priority
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.rows import ACCOUNT, ACCOUNT_CHANGEABLE, TOKEN, account_of, account_row, select, token_of, token_row
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("accounts", ACCOUNT)
GET = f"SELECT {select(ACCOUNT, 'a')} FROM accounts a WHERE a.id = ?"
BY_USERNAME = f"SELECT {select(ACCOUNT, 'a')} FROM accounts a WHERE a.username = ?"
BY_TOKEN = f"""
SELECT t.priority, {select(ACCOUNT, "a")} FROM tokens t JOIN accounts a ON a.id = t.account_id
WHERE t.hash = ? AND t.disabled_at IS NULL
"""
COUNT = "SELECT count(*) FROM accounts"
SELECT = f"SELECT {select(ACCOUNT, 'a')} FROM accounts a"
INSERT_TOKEN = insert("tokens", TOKEN)
TOKENS = f"SELECT {select(TOKEN, 't')} FROM tokens t WHERE t.account_id = ? ORDER BY t.created_at DESC, t.hash"
DISABLE_TOKEN = "UPDATE tokens SET disabled_at = ? WHERE account_id = ? AND name = ? AND disabled_at IS NULL"


class SQLiteAccounts:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def create(self, account: Account) -> None:
        def operation(db: apsw.Connection) -> None:
            with conflict(f"The username {account.username} is taken."):
                db.execute(INSERT, account_row(account))

        await self._writer.submit(operation)

    async def get(self, id: str) -> Account | None:
        return await self._one(GET, id)

    async def by_username(self, username: str) -> Account | None:
        return await self._one(BY_USERNAME, username)

    async def by_token(self, hash: str) -> Account | None:
        row = await self._readers.submit(lambda db: first(db, BY_TOKEN, (hash,)))
        return replace(account_of(row[1:]), ceiling=Priority(row[0])) if row else None

    async def count(self) -> int:
        (count,) = await self._readers.submit(lambda db: fetch(db, COUNT)[0])
        return int(count)

    async def update(self, id: str, fields: dict[str, Any]) -> Account | None:
        if unknown := fields.keys() - ACCOUNT_CHANGEABLE:
            raise ValueError(f"cannot be changed on an account: {', '.join(sorted(unknown))}")
        sql = f"UPDATE accounts SET {', '.join(f'{field} = ?' for field in fields)} WHERE id = ?"

        def operation(db: apsw.Connection) -> tuple[Any, ...] | None:
            if fields:
                db.execute(sql, (*fields.values(), id))
            return first(db, GET, (id,))

        row = await self._writer.submit(operation)
        return account_of(row) if row else None

    async def page(self, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Account]:
        rows = await self._readers.submit(lambda db: walk(db, SELECT, "a", (), (), limit, cursor))
        return page([account_of(row) for row in rows], limit, cursor, lambda a: (a.created_at, a.id))

    async def add_token(self, token: Token) -> None:
        def operation(db: apsw.Connection) -> None:
            with conflict(f"The token {token.name} exists already, or its account does not."):
                db.execute(INSERT_TOKEN, token_row(token))

        await self._writer.submit(operation)

    async def tokens(self, account_id: str) -> list[Token]:
        rows = await self._readers.submit(lambda db: fetch(db, TOKENS, (account_id,)))
        return [token_of(row) for row in rows]

    async def disable_token(self, account_id: str, name: str, at: float) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(DISABLE_TOKEN, (at, account_id, name))
            return db.changes() > 0

        return await self._writer.submit(operation)

    async def _one(self, sql: str, key: str) -> Account | None:
        row = await self._readers.submit(lambda db: first(db, sql, (key,)))
        return account_of(row) if row else None
