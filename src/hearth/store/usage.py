"""The ports of what was used, and of how it went: parts of `store.base.Store`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hearth.domain.sample import Sample
from hearth.domain.usage import Used


class Usage(Protocol):
    """Counted by the database itself, in the transaction that ends a prediction."""

    async def of_account(self, account_id: str, first: int, last: int) -> list[Used]:
        """From one day to another, both included; the latest day first, then by what it cost in seconds."""
        ...


class Samples(Protocol):
    """By subject: `owner/name` of a deployment, or the empty string for the whole server."""

    async def add(self, engine: str, samples: Mapping[str, Sample]) -> None:
        """An engine's minute."""
        ...

    async def of(self, subject: str, since: float) -> list[Sample]:
        """Those of all engines that began at `since` or later, oldest first."""
        ...

    async def expire(self, before: float, limit: int) -> int:
        """Forget up to `limit` that began earlier; how many these were."""
        ...
