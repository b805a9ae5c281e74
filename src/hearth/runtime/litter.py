"""What predictions leave on disk, removed behind their backs.

coglet keeps `/tmp/coglet/predictions/<id>` for each prediction for ever (the path is fixed, cog-runtime.md
7.2), and our wrapper a folder per prediction that made files, empty once the engine has taken them. Removing
them takes longer than a small prediction, so it waits a moment and happens in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

COGLET = Path("/tmp/coglet/predictions")
DELAY = 1.0
"""Seconds from the first id to a sweep of all."""


class Litter:
    """`add` the ids of ended predictions; `flush` once nothing runs any more."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._ended: list[str] = []
        self._sweeping: asyncio.Task[None] | None = None

    def add(self, id: str) -> None:
        self._ended.append(id)
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep(), name="hearth-litter")

    async def flush(self) -> None:
        """Removes what is left of all of them now."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        await asyncio.to_thread(remove, self._ended, self._out)

    async def _sweep(self) -> None:
        kept: list[str] = []
        while self._ended:
            await asyncio.sleep(DELAY)
            ended, self._ended = self._ended, []
            kept = await asyncio.to_thread(remove, [*kept, *ended], self._out)
        self._ended = kept


def remove(ids: Iterable[str], out: Path) -> list[str]:
    """Deletes coglet's folders of `ids`, and of ours below `out` what is empty. Returns the ids whose files
    the engine has not taken yet."""
    kept = []
    for id in ids:
        shutil.rmtree(COGLET / id, ignore_errors=True)
        for path, _, _ in os.walk(out / id, topdown=False):
            with contextlib.suppress(OSError):  # not empty
                os.rmdir(path)
        if (out / id).exists():
            kept.append(id)
    return kept
