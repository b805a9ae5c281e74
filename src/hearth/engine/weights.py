"""Trained weights on this disk: one file per content, read-only, shared by all instances that need it."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from msgspec.structs import replace

from hearth.blobs.base import Blobs
from hearth.domain.file import File, parse_reference, safe_name
from hearth.domain.model import Recipe
from hearth.engine.shelf import Folders, unused, used
from hearth.errors import NotFound, SetupFailed
from hearth.store.base import Store


class Weights:
    def __init__(self, folder: Path, store: Store, blobs: Blobs) -> None:
        self._folder, self._store, self._blobs = folder.absolute(), store, blobs
        self._names: dict[str, str] = {}
        self._folders = Folders(self._folder)

    def sweep(self) -> None:
        """Remove what an interrupted run left half-made."""
        self._folders.sweep()

    async def placed(self, recipe: Recipe) -> Recipe:
        """The recipe with a local path for a reference to weights. Raises SetupFailed if they are gone."""
        reference = parse_reference(recipe.weights) if recipe.weights else None
        if reference is None:
            return recipe
        file = await self._store.files.get(reference[0])
        if file is None:
            raise SetupFailed("The trained weights of this version are gone.", hint="Train it again.")
        self._names[recipe.weights or ""] = file.sha256
        final = self._folder / file.sha256 / safe_name(file.name, "weights")
        async with self._folders.turn(file.sha256):
            if not await asyncio.to_thread(final.is_file):
                await self._make(file, final)
            await asyncio.to_thread(used, final.parent)
        return replace(recipe, weights=str(final))

    def name(self, recipe: Recipe) -> str:
        """What a placed recipe's weights are found by on this shelf; empty if it has none."""
        return self._names.get(recipe.weights or "", "")

    async def stale(self, before: float) -> list[str]:
        """The SHA-256 of those that no instance has asked for since."""
        return await asyncio.to_thread(unused, self._folder, before)

    async def remove(self, name: str, before: float) -> bool:
        """One of them, unless it has been asked for since; whether it is gone."""
        return await self._folders.remove(name, before)

    async def _make(self, file: File, final: Path) -> None:
        """Beside its place and then renamed: the file is there whole or not at all."""
        new = self._folders.new()
        try:
            await asyncio.to_thread(new.mkdir, parents=True)
            await self._blobs.fetch(file.key, new / final.name)
            await asyncio.to_thread(_publish, new / final.name, final)
        except NotFound:
            raise SetupFailed("The trained weights of this version are gone.", hint="Train it again.") from None
        finally:
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)


def _publish(new: Path, final: Path) -> None:
    os.chmod(new, 0o444)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(new, final)
