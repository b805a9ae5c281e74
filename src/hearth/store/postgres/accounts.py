"""Accounts and their tokens."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from hearth.domain.account import Account, Token
from hearth.domain.priority import Priority
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, conflict, insert, walk
from hearth.store.rows import ACCOUNT, ACCOUNT_CHANGEABLE, TOKEN, account_of, account_row, select, token_of, token_row

INSERT = insert("accounts", ACCOUNT)
GET = f"SELECT {select(ACCOUNT, 'a')} FROM accounts a WHERE a.id = $1"
BY_USERNAME = f"SELECT {select(ACCOUNT, 'a')} FROM accounts a WHERE a.username = $1"
BY_TOKEN = f"""
SELECT t.priority, {select(ACCOUNT, "a")} FROM tokens t JOIN accounts a ON a.id = t.account_id
WHERE t.hash = $1 AND t.disabled_at IS NULL
"""
COUNT = "SELECT count(*) FROM accounts"
SELECT = f"SELECT {select(ACCOUNT, 'a')} FROM accounts a"
INSERT_TOKEN = insert("tokens", TOKEN)
TOKENS = f"SELECT {select(TOKEN, 't')} FROM tokens t WHERE t.account_id = $1 ORDER BY t.created_at DESC, t.hash"
DISABLE_TOKEN = "UPDATE tokens SET disabled_at = $1 WHERE account_id = $2 AND name = $3 AND disabled_at IS NULL"


class PostgresAccounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, account: Account) -> None:
        with conflict(f"The username {account.username} is taken."):
            await self._database.execute(INSERT, *account_row(account))

    async def get(self, id: str) -> Account | None:
        return await self._one(GET, id)

    async def by_username(self, username: str) -> Account | None:
        return await self._one(BY_USERNAME, username)

    async def by_token(self, hash: str) -> Account | None:
        row = await self._database.first(BY_TOKEN, hash)
        return replace(account_of(row[1:]), ceiling=Priority(row[0])) if row else None

    async def count(self) -> int:
        return int((await self._database.fetch(COUNT))[0][0])

    async def update(self, id: str, fields: dict[str, Any]) -> Account | None:
        if unknown := fields.keys() - ACCOUNT_CHANGEABLE:
            raise ValueError(f"cannot be changed on an account: {', '.join(sorted(unknown))}")
        if fields:
            assignments = ", ".join([f"{field} = ${n}" for n, field in enumerate(fields, 2)])
            await self._database.execute(f"UPDATE accounts SET {assignments} WHERE id = $1", id, *fields.values())
        return await self.get(id)

    async def page(self, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Account]:
        rows = await walk(self._database, SELECT, "a", [], limit, cursor)
        return page([account_of(row) for row in rows], limit, cursor, lambda a: (a.created_at, a.id))

    async def add_token(self, token: Token) -> None:
        with conflict(f"The token {token.name} exists already, or its account does not."):
            await self._database.execute(INSERT_TOKEN, *token_row(token))

    async def tokens(self, account_id: str) -> list[Token]:
        return [token_of(row) for row in await self._database.fetch(TOKENS, account_id)]

    async def disable_token(self, account_id: str, name: str, at: float) -> bool:
        return await self._database.execute(DISABLE_TOKEN, at, account_id, name) > 0

    async def _one(self, sql: str, key: str) -> Account | None:
        row = await self._database.first(sql, key)
        return account_of(row) if row else None
