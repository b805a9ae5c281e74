"""The port of the store for what instances take, and its rows."""

from __future__ import annotations

from typing import Protocol

from hearth.domain.footprint import Footprint
from hearth.store.rows import Row, select

FOOTPRINT = ("version_id", "hardware", "train", "model", "at", "setup", "run", "gpu")
ALL = f"SELECT {select(FOOTPRINT, 'f')} FROM footprints f ORDER BY f.at"


class Footprints(Protocol):
    async def put(self, footprint: Footprint) -> None:
        """Replace what was known; nothing, if the version is gone."""
        ...

    async def all(self) -> list[Footprint]:
        """Those of all versions that there are, the newest last."""
        ...


def footprint_row(footprint: Footprint) -> Row:
    return tuple(getattr(footprint, name) for name in FOOTPRINT)


def footprint_of(row: Row) -> Footprint:
    values = dict(zip(FOOTPRINT, row, strict=True))
    return Footprint(**{**values, "train": bool(values["train"])})
