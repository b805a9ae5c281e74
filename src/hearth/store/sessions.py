"""The port of sessions and passwords: a part of `store.base.Store`."""

from __future__ import annotations

from typing import Protocol

from hearth.domain.account import Account
from hearth.domain.session import Session, SessionKind


class Sessions(Protocol):
    async def add(self, session: Session) -> None:
        """Store it, and forget those whose time was over when it was made."""
        ...

    async def get(self, hash: str) -> tuple[Session, Account] | None:
        """Whether or not its time is over."""
        ...

    async def of_account(self, account_id: str, kind: SessionKind) -> list[Session]:
        """The latest hundred, newest first."""
        ...

    async def end(self, hash: str) -> Session | None:
        """The session that ended by this; of several callers one gets it."""
        ...

    async def end_all(self, account_id: str, keep: str | None = None) -> int:
        """How many ended: all of the account, links too, but for the one with the hash `keep`."""
        ...

    async def password(self, username: str) -> tuple[Account, str | None] | None:
        """The account and the hash of its password, None if it has none."""
        ...

    async def set_password(self, account_id: str, hash: str | None, at: float) -> None:
        """None: it has none from now on."""
        ...
