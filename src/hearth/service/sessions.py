"""Who is signed in with a browser: sessions behind a cookie, links that sign in once, and what forms must carry.

The cookie holds 256 random bits; the store has a hash of them. A session always begins with a fresh cookie, so
nobody can prepare one for somebody else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from hearth import ids
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.session import Session, SessionKind
from hearth.service.cache import Cache
from hearth.store.base import Store

LINK_LIFE = 600.0
"""Seconds until a link that signs in is worth nothing."""
SETUP_LIFE = 24 * 3600.0
"""The same for the link that a server prints while its first account has no password."""
_ABOUT = 100


class Link(NamedTuple):
    code: str
    expires_at: float


class Sessions:
    def __init__(
        self, *, store: Store, clock: Clock, key: bytes, life: float = 30 * 24 * 3600.0, ttl: float = 60.0
    ) -> None:
        """`key` makes form tokens; `life`: seconds until somebody must sign in again; `ttl`: seconds until a session
        that another process ended is refused here."""
        self._store, self._clock, self._key, self.life = store, clock, key, life
        self._known: Cache[str, tuple[Session, Account]] = Cache(clock, 4096, ttl)

    async def start(
        self, account: Account, about: str = "", *, instead_of: str | None = None, token: str | None = None
    ) -> str:
        """A new session: the cookie's value. `instead_of`: the cookie that came with the request; its session ends.
        `token`: the API token that signs in; its end is the session's."""
        if instead_of:
            await self.end(instead_of)
        return (await self._make(account, SessionKind.BROWSER, about, self.life, token)).code

    async def account(self, cookie: str) -> Account | None:
        """Who is signed in with this cookie."""
        hash = _hash(SessionKind.BROWSER, cookie)
        found = self._known.get(hash)
        if found is None:
            found = await self._store.sessions.get(hash)
            if found is None:
                return None
            self._known.put(hash, found)
        session, account = found
        return account if session.expires_at > self._clock.now() else None

    def csrf(self, cookie: str) -> str:
        """What forms of this session carry. It does not reveal the cookie, and ends with it."""
        return hmac.new(self._key, cookie.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def allows(self, cookie: str, token: str) -> bool:
        """Whether a form with this token comes from a page of this session."""
        return hmac.compare_digest(self.csrf(cookie).encode(), token.encode("utf-8", "surrogatepass"))

    async def end(self, cookie: str) -> None:
        """Sign out. A cookie without a session is no error."""
        hash = _hash(SessionKind.BROWSER, cookie)
        self._known.drop(hash)
        await self._store.sessions.end(hash)

    async def end_all(self, account: Account, *, keep: str | None = None) -> int:
        """Sign out everywhere, but for the cookie `keep`; how many sessions and links that ended."""
        self._known.clear()
        kept = None if keep is None else _hash(SessionKind.BROWSER, keep)
        return await self._store.sessions.end_all(account.id, kept)

    async def of_account(self, account: Account) -> Sequence[Session]:
        """Where the account is signed in, newest first."""
        found = await self._store.sessions.of_account(account.id, SessionKind.BROWSER)
        return [session for session in found if session.expires_at > self._clock.now()]

    async def link(self, account: Account, life: float = LINK_LIFE) -> Link:
        """A code that signs its bearer in as this account, once, within `life` seconds."""
        return await self._make(account, SessionKind.LINK, "", life)

    async def linked(self, code: str) -> Account | None:
        """Whose code it is; it stays good."""
        found = await self._store.sessions.get(_hash(SessionKind.LINK, code))
        return found[1] if found is not None and found[0].expires_at > self._clock.now() else None

    async def redeem(self, code: str) -> Account | None:
        """Whose code it was: it is used up now, whoever comes second gets nothing."""
        account = await self.linked(code)
        if account is None or await self._store.sessions.end(_hash(SessionKind.LINK, code)) is None:
            return None
        return account

    def changed(self) -> None:
        """An account has other fields now: nothing that is remembered of it counts."""
        self._known.clear()

    async def _make(
        self, account: Account, kind: SessionKind, about: str, life: float, token: str | None = None
    ) -> Link:
        secret, now = secrets.token_urlsafe(32), self._clock.now()
        await self._store.sessions.add(
            Session(
                hash=_hash(kind, secret),
                account_id=account.id,
                kind=kind,
                created_at=now,
                expires_at=now + life,
                about=about[:_ABOUT],
                token=None if token is None else ids.token_hash(token),
            )
        )
        return Link(secret, now + life)


def _hash(kind: SessionKind, secret: str) -> str:
    """Of 256 random bits, so one round suffices. The kind is part of it: a link is no cookie."""
    return hashlib.sha256(f"{kind.value}:{secret}".encode("utf-8", "surrogatepass")).hexdigest()
