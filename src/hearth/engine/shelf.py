"""The port of what lies on this disk and can be made again: environments, unpacked sources, weights."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol


class Shelf(Protocol):
    """A name is what it is found by again: an environment's key, a digest of contents. Each use makes it fresh."""

    async def stale(self, before: float) -> Collection[str]:
        """What has not been used since (seconds since 1970)."""
        ...

    async def remove(self, name: str, before: float) -> bool:
        """Whole or not at all, unless it has been used since, or is being made; whether it is gone."""
        ...


# For shelves that are folders of folders: the time of a folder tells its last use. They block.


def used(folder: Path) -> bool:
    """Make it fresh; whether it is there."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def unused(shelf: Path, before: float, but: Collection[str] = ()) -> list[str]:
    """The names of the folders that have not been used since."""
    if not shelf.is_dir():
        return []
    found = [entry for entry in shelf.iterdir() if not entry.name.startswith(".") and entry.name not in but]
    return [entry.name for entry in found if entry.stat().st_mtime < before]


def take_away(folder: Path, to: Path, before: float | None) -> bool:
    """Rename it, unless it has been used since; whether that was done."""
    try:
        if before is not None and folder.stat().st_mtime >= before:
            return False
        os.rename(folder, to)
    except FileNotFoundError:
        return False
    return True
