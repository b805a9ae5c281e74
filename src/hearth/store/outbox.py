"""The port of the webhooks on their way: a part of `store.base.Store`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hearth.domain.webhook import Attempt, Delivery
from hearth.store.pages import Cursor, Page


class Outbox(Protocol):
    async def claim(self, now: float, until: float, limit: int) -> list[Delivery]:
        """Pending deliveries that are due, their due time moved to `until` so that no other courier takes them."""
        ...

    async def put_off(self, until: Mapping[str, float]) -> None:
        """Make pending deliveries due at another time, by id."""
        ...

    async def record(self, delivery: Delivery, attempt: Attempt) -> None:
        """Store an attempt and the delivery's new state, attempts and due time."""
        ...

    async def next_due(self) -> float | None: ...
    async def of_prediction(self, prediction_id: str) -> list[tuple[Delivery, list[Attempt]]]:
        """In order of creation."""
        ...

    async def page(
        self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None
    ) -> Page[tuple[Delivery, list[Attempt]]]: ...

    async def replay(self, delivery_id: str, account_id: str, due_at: float) -> bool:
        """Send a delivered or failed one again."""
        ...
