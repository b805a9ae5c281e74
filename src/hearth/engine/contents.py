"""Large files of sources, by content: versions that have the same weights have one copy of them on this disk.

Each is a hard link of the file in `folder`, read-only. Versions change their code far more often than their weights.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.domain.model import SourceFile
from hearth.engine.turns import Turns

LARGE = 1024 * 1024
"""Bytes. A smaller file costs no more than its link."""
_TEMPORARY = ".new-"


class Contents:
    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self._folder, self._blobs = folder.absolute(), blobs
        self._turns = Turns()

    def sweep(self) -> None:
        """Remove what no version has, and what an interrupted run left half-made. Before anything is brought."""
        if self._folder.is_dir():
            for file in self._folder.iterdir():
                if file.name.startswith(_TEMPORARY) or file.stat().st_nlink == 1:
                    file.unlink(missing_ok=True)

    async def bring(self, file: SourceFile, target: Path) -> None:
        """The file at `target`; fetched if no other version has it. Raises NotFound for a blob that is gone."""
        if file.size < LARGE or file.executable:  # the mode belongs to the content, not to the link
            await self._blobs.fetch(file.key, target)
            return
        kept = self._folder / file.sha256
        async with self._turns.of(file.sha256):
            if not await asyncio.to_thread(_link, kept, target):
                await self._fetch(file, kept, target)

    async def drop(self, files: Iterable[SourceFile]) -> None:
        """After a version's folder has gone: remove the contents that no other has."""
        for sha256 in {file.sha256 for file in files}:
            async with self._turns.of(sha256):
                await asyncio.to_thread(_unlink_if_last, self._folder / sha256)

    async def tidy(self) -> None:
        """Remove the contents that no folder has any more."""
        for sha256 in await asyncio.to_thread(_single, self._folder):
            async with self._turns.of(sha256):
                await asyncio.to_thread(_unlink_if_last, self._folder / sha256)

    async def _fetch(self, file: SourceFile, kept: Path, target: Path) -> None:
        new = self._folder / f"{_TEMPORARY}{ids.random32()}"
        try:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
            await self._blobs.fetch(file.key, new)
            await asyncio.to_thread(_place, new, kept, target)
        finally:
            await asyncio.to_thread(new.unlink, missing_ok=True)


def _single(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    files = [file for file in folder.iterdir() if not file.name.startswith(_TEMPORARY)]
    return [file.name for file in files if file.stat().st_nlink == 1]


def _link(kept: Path, target: Path) -> bool:
    try:
        os.link(kept, target)
    except OSError:  # there is none yet, or it has as many links as it may
        return False
    return True


def _place(new: Path, kept: Path, target: Path) -> None:
    os.chmod(new, 0o444)
    if not _link(new, target):  # a file system without links: each version has its own
        os.replace(new, target)
        return
    os.replace(new, kept)


def _unlink_if_last(kept: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if kept.stat().st_nlink == 1:
            kept.unlink()
