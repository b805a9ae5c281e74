"""The port of what lies on this disk and can be made again: environments, unpacked sources, weights."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from hearth import ids
from hearth.engine.turns import Turns

_TEMPORARY = ".new-"


class Shelf(Protocol):
    """A name is what it is found by again: an environment's key, a digest of contents. Each use makes it fresh."""

    async def stale(self, before: float) -> Collection[str]:
        """What has not been used since (seconds since 1970)."""
        ...

    async def remove(self, name: str, before: float) -> bool:
        """Whole or not at all, unless it has been used since, or is being made; whether it is gone."""
        ...


class Folders:
    """For shelves that are folders of folders: one is there whole or not at all, and its time tells its last use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns = Turns()

    def turn(self, name: str) -> asyncio.Lock:
        """One at a time for each folder: hold it while you make or use one."""
        return self._turns.of(name)

    def new(self) -> Path:
        """A place beside the folders to make one in."""
        return self._folder / f"{_TEMPORARY}{ids.random32()}"

    def sweep(self) -> None:
        """Remove what an interrupted run left half-made. Blocks."""
        for left in self._folder.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)

    async def remove(self, name: str, before: float | None = None) -> bool:
        """One folder, unless it has been used since `before`; whether it is gone."""
        gone = self.new()
        async with self.turn(name):
            if not await asyncio.to_thread(_take_away, self._folder / name, gone, before):
                return False
        await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
        return True


# These block.


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


def _take_away(folder: Path, to: Path, before: float | None) -> bool:
    """Rename it, unless it has been used since; whether that was done."""
    try:
        if before is not None and folder.stat().st_mtime >= before:
            return False
        os.rename(folder, to)
    except FileNotFoundError:
        return False
    return True
