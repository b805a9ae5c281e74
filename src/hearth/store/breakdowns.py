"""The port of the store for lanes that are given up, and its rows."""

from __future__ import annotations

from typing import Protocol

from hearth.domain.breakdown import Breakdown
from hearth.store.rows import Row, select

BREAKDOWN = ("lane", "version_id", "model", "deployment", "because", "logs", "failures", "at")
SELECT = f"SELECT {select(BREAKDOWN, 'b')} FROM breakdowns b"
ALL = f"{SELECT} ORDER BY b.at, b.lane"


class Breakdowns(Protocol):
    async def put(self, breakdown: Breakdown) -> None:
        """Replace what was known of the lane; nothing, if its version is gone."""
        ...

    async def all(self) -> list[Breakdown]:
        """The oldest first."""
        ...

    async def of_version(self, version_id: str) -> list[Breakdown]: ...
    async def clear(self, lane: str) -> None:
        """It is tried again."""
        ...


def breakdown_row(breakdown: Breakdown) -> Row:
    return tuple(getattr(breakdown, name) for name in BREAKDOWN)


def breakdown_of(row: Row) -> Breakdown:
    return Breakdown(**dict(zip(BREAKDOWN, row, strict=True)))
