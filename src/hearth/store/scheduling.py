"""The ports of what is wanted of the scheduler and of what it decided: parts of `store.base.Store`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hearth.domain.decision import Decided
from hearth.domain.scaling import Scaling


class Scalings(Protocol):
    async def put(self, scaling: Scaling) -> None:
        """In place of what was wanted before. Raises Conflict if there is no such model or deployment."""
        ...

    async def get(self, target: str) -> Scaling | None: ...
    async def remove(self, target: str) -> bool:
        """False if nothing was wanted."""
        ...

    async def all(self) -> list[Scaling]:
        """Everything that is wanted. A model or deployment that is deleted takes its own along."""
        ...


class Decisions(Protocol):
    async def add(self, decisions: Sequence[Decided], keep: int) -> None:
        """Store them, and forget all but the latest `keep`."""
        ...

    async def latest(self, limit: int) -> list[Decided]:
        """Newest first."""
        ...
