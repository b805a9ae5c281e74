"""Signing in with a password or an API token, against guessing; and choosing a password."""

from __future__ import annotations

import asyncio
from functools import partial

from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.errors import InvalidRequest, Pointer, Throttled, Unauthenticated
from hearth.policy.ratelimit import WINDOW, Bucket
from hearth.service import passwords
from hearth.service.accounts import Accounts
from hearth.service.passwords import Cost
from hearth.service.sessions import Sessions
from hearth.store.base import Store
from hearth.threads import in_thread

PER_ADDRESS = 10
"""Wrong tries a minute from one address."""
PER_USERNAME = 30
"""Wrong tries a minute for one username, from wherever. A token or a link signs in even so."""
_FORGET = 10_000
_PARALLEL = 2
"""Passwords that are hashed at the same time: each takes 32 MiB."""


class SignIn:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        sessions: Sessions,
        cost: Cost = Cost(),  # noqa: B008 - a tuple
    ) -> None:
        self._store, self._clock, self._accounts, self._sessions = store, clock, accounts, sessions
        self._cost = cost
        self._nobody = passwords.make("nobody has this password", cost)
        self._tries: dict[str, Bucket] = {}
        self._hashing = asyncio.Semaphore(_PARALLEL)

    async def with_password(self, username: str, password: str, address: str) -> Account:
        """Raises Unauthenticated without telling which of the two is wrong, and Throttled."""
        tries = self._take(address), self._take(f"username {username}", PER_USERNAME)
        found = await self._store.sessions.password(username)
        kept = found[1] if found else None
        # Somebody who does not exist takes as long as a wrong password.
        right = await self._matches(password, kept or self._nobody)
        if found is None or kept is None or not right:
            raise Unauthenticated("Username or password is wrong.", hint="You can sign in with an API token, too.")
        for bucket in tries:
            bucket.give_back()
        return found[0]

    async def with_token(self, token: str, address: str) -> Account:
        """Raises Unauthenticated, Throttled."""
        tries = self._take(address)
        try:
            account = await self._accounts.authenticate(token.strip())
        except Unauthenticated:
            raise Unauthenticated("There is no such token.", hint="Make one: hearth token create NAME") from None
        tries.give_back()
        return account

    async def with_link(self, code: str, address: str) -> Account:
        """Uses the code up. Raises Unauthenticated, Throttled."""
        tries = self._take(address)
        account = await self._sessions.redeem(code)
        if account is None:
            raise Unauthenticated(
                "This link was used already, or its time is over.", hint="Make another one: hearth account link"
            )
        tries.give_back()
        return account

    async def has_password(self, account: Account) -> bool:
        found = await self._store.sessions.password(account.username)
        return found is not None and found[1] is not None

    async def check(self, account: Account, password: str) -> None:
        """That this is the account's password. Raises InvalidRequest, Throttled."""
        tries = self._take(f"username {account.username}", PER_USERNAME)
        found = await self._store.sessions.password(account.username)
        kept = found[1] if found else None
        if kept is None or not await self._matches(password, kept):
            raise InvalidRequest(errors=(Pointer("/current", "current: this is not your present password"),))
        tries.give_back()

    async def set_password(self, account: Account, password: str | None, *, keep: str | None = None) -> None:
        """From now on it is this one, or none. Every session but that of the cookie `keep` ends.
        Raises InvalidRequest."""
        hash = None
        if password is not None:
            self.judge(account, password)
            async with self._hashing:
                hash = await in_thread(partial(passwords.make, password, self._cost))
        await self._store.sessions.set_password(account.id, hash, self._clock.now())
        await self._sessions.end_all(account, keep=keep)

    @staticmethod
    def judge(account: Account, password: str) -> None:
        """Raises InvalidRequest for a password that will not do."""
        if not passwords.MINIMUM <= len(password) <= passwords.MAXIMUM:
            detail = f"password: use {passwords.MINIMUM} to {passwords.MAXIMUM} characters"
            raise InvalidRequest(errors=(Pointer("/password", detail),))
        if password.lower() == account.username.lower() or len(set(password)) < 4:
            raise InvalidRequest(errors=(Pointer("/password", "password: this one is too easy to guess"),))

    async def _matches(self, password: str, kept: str) -> bool:
        if len(password) > passwords.MAXIMUM:
            return False
        async with self._hashing:
            return await in_thread(partial(passwords.matches, password, kept))

    def _take(self, key: str, allowance: int = PER_ADDRESS) -> Bucket:
        """Counts a try before it is made, so that many at once do not slip through. Raises Throttled."""
        now = self._clock.now()
        if len(self._tries) >= _FORGET:
            self._tries = {k: b for k, b in self._tries.items() if b.started_at + WINDOW > now}
        bucket = self._tries.setdefault(key, Bucket())
        verdict = bucket.take(allowance, now)
        if not verdict.allowed:
            raise Throttled(verdict.reset)
        return bucket
