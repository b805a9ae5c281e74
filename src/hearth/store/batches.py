"""The port of batches: a part of `store.base.Store`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hearth.domain.batch import Batch, BatchState, Item
from hearth.domain.prediction import Phase
from hearth.store.pages import Cursor, Page


class Batches(Protocol):
    async def create(self, batch: Batch) -> None: ...
    async def get(self, id: str) -> Batch | None: ...
    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Batch]:
        """Newest first."""
        ...

    async def claim(self, owner: str, now: float, until: float) -> list[Batch]:
        """The running batches that are this owner's or nobody's any more; they are its own until then."""
        ...

    async def place(self, id: str, items: Sequence[Item]) -> None:
        """Note which predictions are made of which inputs, before they are made: a place is taken once."""
        ...

    async def items(self, id: str, *, after: int = -1, limit: int = 1000) -> list[Item]:
        """In order of their places."""
        ...

    async def tally(self, id: str) -> dict[Phase, int]:
        """How many of its predictions are in which phase."""
        ...

    async def end(self, id: str, state: BatchState, because: str, at: float) -> bool:
        """False if it has ended already."""
        ...
