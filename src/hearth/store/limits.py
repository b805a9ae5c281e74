"""The ports of idempotency keys and of shared rate limits: parts of `store.base.Store`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hearth.domain.limits import Kept, Once, Usage


class Idempotency(Protocol):
    async def begin(self, once: Once, now: float, until: float) -> Kept | None:
        """Take the key, held until `until`; or what it stands for already."""
        ...

    async def get(self, account_id: str, key: str, now: float) -> Kept | None: ...
    async def finish(self, account_id: str, key: str, status: int, body: bytes) -> None:
        """Store the answer that later calls with this key get."""
        ...

    async def drop(self, account_id: str, key: str) -> None:
        """Free a key that is held: its create came to nothing."""
        ...

    async def expire(self, now: float, limit: int) -> int:
        """Forget up to `limit` keys whose time is over."""
        ...


class Rates(Protocol):
    async def exchange(self, usages: Sequence[Usage], now: float, window: float) -> list[Usage]:
        """Add what this process let through, and hear what all of them did since the window of `window` seconds
        began. A window that is over starts anew with the reported one."""
        ...
