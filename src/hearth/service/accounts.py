"""Accounts and their API tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from hearth import ids
from hearth.clock import Clock
from hearth.domain.account import Account, AccountType, Token
from hearth.domain.priority import Priority
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer, Unauthenticated
from hearth.seal import Sealer
from hearth.service.cache import Cache
from hearth.store.base import Cursor, Page, Store

MAX_NAME = 100


class Accounts:
    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        clock: Clock,
        ttl: float = 2.0,
        retention: float | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`ttl`: seconds until a token that another process disabled is refused here; `retention`: the server's, the
        longest that somebody who is no admin may choose; `changed` is told when an account has other fields."""
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._retention, self._tell = retention, changed
        self._known: Cache[str, Account] = Cache(clock, 4096, ttl)

    async def authenticate(self, token: str) -> Account:
        """The account that a token belongs to. Raises Unauthenticated."""
        hash = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        account = self._known.get(hash)
        if account is None:
            account = await self._store.accounts.by_token(hash)
            if account is None:
                raise Unauthenticated
            self._known.put(hash, account)
        return account

    async def bootstrap(self, username: str, token: str | None) -> tuple[Account, str | None]:
        """Make the first account; its token, or None if it had one already.

        An account without any token is one whose making was cut short: it gets its token now. A `token` that is
        given on a later start works from then on, too.
        """
        account = await self._store.accounts.by_username(username)
        if account is None:
            try:
                account = await self._add(username, admin=True)
            except Conflict:  # another process was quicker
                account = await self._store.accounts.by_username(username)
                if account is None:
                    raise
        if there := await self._store.accounts.tokens(account.id):
            # One that was disabled stays so, though the variable may still be set.
            if token is not None and ids.token_hash(token) not in {t.hash for t in there}:
                await self._add_token(account, f"bootstrap {ids.random32()[:6]}", token)
            return account, None
        token = token or ids.api_token()
        await self._add_token(account, "default", token)
        return account, token

    async def create(
        self, admin: Account, username: str, *, type: AccountType = AccountType.USER, name: str = ""
    ) -> Account:
        """It has no token yet. Raises NotFound to callers who are no admins, InvalidRequest, Conflict."""
        if not admin.admin:
            raise NotFound
        return await self._add(username, admin=False, type=type, name=name.strip())

    async def page(self, admin: Account, cursor: Cursor | None = None, *, limit: int = 100) -> Page[Account]:
        """All accounts, newest first. Raises NotFound to callers who are no admins."""
        if not admin.admin:
            raise NotFound
        return await self._store.accounts.page(cursor=cursor, limit=limit)

    async def named(self, admin: Account, username: str) -> Account:
        """Raises NotFound, also to callers who are no admins."""
        account = await self._store.accounts.by_username(username) if admin.admin else None
        if account is None:
            raise NotFound(f"There is no account {username}." if admin.admin else None)
        return account

    async def tokens(self, caller: Account) -> Sequence[Token]:
        return await self._store.accounts.tokens(caller.id)

    async def new_token(self, caller: Account, name: str, priority: Priority | None = None) -> str:
        """The token: shown now, and never again. `priority`: the most urgent that its predictions may be, by default
        and at most what the caller's own token may ask for. Raises InvalidRequest, Conflict on a name in use."""
        priority = caller.ceiling if priority is None else priority
        if not priority.within(caller.ceiling):
            detail = f"priority: {priority.value} is more than your own token may ask for, {caller.ceiling.value}"
            raise InvalidRequest(errors=(Pointer("/priority", detail),))
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable() or "/" in name:
            detail = f"name: must be 1 to {MAX_NAME} printable characters without a slash"
            raise InvalidRequest(errors=(Pointer("/name", detail),))
        if any(t.name == name and t.disabled_at is None for t in await self.tokens(caller)):
            raise Conflict(
                f"There is a token named {name!r} already.", hint="Choose another name, or disable that one."
            )
        token = ids.api_token()
        await self._add_token(caller, name, token, priority)
        return token

    async def disable_token(self, caller: Account, name: str) -> None:
        """It is refused from now on. Raises NotFound."""
        hashes = [t.hash for t in await self.tokens(caller) if t.name == name]
        found = await self._store.accounts.disable_token(caller.id, name, self._clock.now())
        for hash in hashes:
            self._known.drop(hash)
        self._tell()  # the browsers that it signed in are signed out
        if not found:
            raise NotFound(f"There is no token named {name!r}.")

    async def webhook_secret(self, caller: Account) -> str:
        """`whsec_…`, what receivers check signatures with. Raises Unavailable if the server's key changed."""
        return self._sealer.open(caller.webhook_secret).decode()

    async def rotate_webhook_secret(self, caller: Account) -> str:
        """A new one, in force from the next attempt on; the old one is good for nothing."""
        secret = ids.webhook_secret()
        await self._change(caller, {"webhook_secret": self._sealer.seal(secret.encode())})
        return secret

    async def set_retention(self, caller: Account, retention: float | None) -> Account:
        """Seconds for which new API predictions keep their data, None: as the server has it. Raises InvalidRequest."""
        most = self._retention if not caller.admin else None
        if retention is not None and (retention < 0 or (most is not None and retention > most)):
            limit = "0 seconds or more" if most is None else f"between 0 and {most:g} seconds, what the server keeps"
            raise InvalidRequest(errors=(Pointer("/retention", f"retention: must be {limit}"),))
        return await self._change(caller, {"retention": retention})

    async def set_name(self, caller: Account, name: str) -> Account:
        """What people are shown beside the username. Raises InvalidRequest."""
        name = name.strip()
        if len(name) > MAX_NAME or not name.isprintable():
            raise InvalidRequest(errors=(Pointer("/name", f"name: at most {MAX_NAME} printable characters"),))
        return await self._change(caller, {"name": name})

    async def _change(self, caller: Account, fields: dict[str, Any]) -> Account:
        found = await self._store.accounts.update(caller.id, fields)
        if found is None:
            raise NotFound
        self._known.clear()
        self._tell()
        return found

    async def _add(
        self, username: str, *, admin: bool, type: AccountType = AccountType.USER, name: str = ""
    ) -> Account:
        if len(name) > MAX_NAME:
            raise InvalidRequest(errors=(Pointer("/name", f"name: at most {MAX_NAME} characters"),))
        if not ids.NAME.fullmatch(username) or len(username) > MAX_NAME:
            detail = "username: use lower-case letters and digits, with single - . _ between them"
            raise InvalidRequest(errors=(Pointer("/username", detail),))
        account = Account(
            id=ids.sortable(),
            username=username,
            created_at=self._clock.now(),
            type=type,
            name=name,
            admin=admin,
            webhook_secret=self._sealer.seal(ids.webhook_secret().encode()),
        )
        await self._store.accounts.create(account)
        return account

    async def _add_token(
        self, account: Account, name: str, token: str, priority: Priority = Priority.INTERACTIVE
    ) -> None:
        await self._store.accounts.add_token(
            Token(
                hash=ids.token_hash(token),
                account_id=account.id,
                name=name,
                created_at=self._clock.now(),
                hint=token[-4:],
                priority=priority,
            )
        )
