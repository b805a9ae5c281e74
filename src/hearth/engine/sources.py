"""The pushed folders of versions on this disk: one folder per content, shared by all who need it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from hearth.blobs.base import Blobs
from hearth.domain.model import SourceFile
from hearth.engine.contents import Contents
from hearth.engine.shelf import Folders, unused, used
from hearth.errors import BuildFailed

_PARALLEL = 16
CONTENTS = "contents"
"""The folder of what versions share, beside theirs."""


def digest(source: Sequence[SourceFile]) -> str:
    """64 hex digits over paths, contents and modes; the order of the files does not matter."""
    rows = sorted((file.path, file.sha256, file.executable) for file in source)
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


class Sources:
    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self._folder = folder
        self._contents = Contents(folder / CONTENTS, blobs)
        self._folders = Folders(folder)

    def sweep(self) -> None:
        """Remove what an interrupted run left half-made."""
        self._folders.sweep()
        self._contents.sweep()

    async def materialise(self, source: Sequence[SourceFile]) -> Path:
        """The folder with these files, made if need be. Raises NotFound for a blob that is gone."""
        key = digest(source)
        final = self._folder / key
        async with self._folders.turn(key):
            if not await asyncio.to_thread(used, final):
                await self._make(source, final)
        return final

    async def drop(self, source: Sequence[SourceFile]) -> None:
        """Remove the folder with these files: no version has it any more."""
        await self.remove(digest(source))
        await self._contents.drop(source)

    async def stale(self, before: float) -> list[str]:
        """The digests of the folders that nothing has used since. Contents that no folder has go by the way."""
        await self._contents.tidy()
        return await asyncio.to_thread(unused, self._folder, before, (CONTENTS,))

    async def remove(self, name: str, before: float | None = None) -> bool:
        """One folder, unless it has been used since `before`; whether it is gone."""
        return await self._folders.remove(name, before)

    async def _make(self, source: Sequence[SourceFile], final: Path) -> None:
        """Beside its place and then renamed: the folder is there whole or not at all."""
        new = self._folders.new()
        try:
            await asyncio.to_thread(_folders, new, source)
            gate = asyncio.Semaphore(_PARALLEL)

            async def bring(file: SourceFile) -> None:
                async with gate:
                    await self._contents.bring(file, new / file.path)

            async with asyncio.TaskGroup() as group:
                for file in source:
                    group.create_task(bring(file))
            await asyncio.to_thread(_publish, new, source, final)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)


def _folders(new: Path, source: Sequence[SourceFile]) -> None:
    for file in source:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise BuildFailed(f"the source names a file outside its folder: {file.path!r}")
        (new / path).parent.mkdir(parents=True, exist_ok=True)
    new.mkdir(parents=True, exist_ok=True)


def _publish(new: Path, source: Sequence[SourceFile], final: Path) -> None:
    for file in source:
        os.chmod(new / file.path, 0o555 if file.executable else 0o444)
    try:
        os.rename(new, final)
    except OSError:
        if not final.is_dir():
            raise
