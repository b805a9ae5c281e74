"""What predictions leave on disk, removed behind their backs.

coglet keeps `/tmp/coglet/predictions/<name>` for each prediction for ever (the path is fixed, cog-runtime.md
7.2), and our wrapper a folder for each that made files, empty once the engine has taken them. Removing them
takes the disk that the store commits to, so it waits until predictions stop ending for a moment, or until
there is too much of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

COGLET = Path("/tmp/coglet/predictions")
DELAY = 1.0
"""Seconds without the end of a prediction before what they left is removed."""
MOST = 10_000
"""Predictions whose folders may wait, three directories each; removing them all takes about two seconds."""
_BATCH = 200


class Litter:
    """`add` the names of ended predictions; `flush` once nothing runs any more."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._ended: list[str] = []
        self._not_taken: list[str] = []
        self._quiet = False
        self._large = False
        self._timer: asyncio.TimerHandle | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, name: str, *, large: bool = False) -> None:
        """`large`: coglet may have left a file of megabytes, so others that end don't put it off."""
        self._ended.append(name)
        self._quiet = False
        self._large |= large
        if self._timer is None and self._sweeping is None:
            self._wait()

    async def flush(self) -> None:
        """Removes what is left of all of them now."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._sweeping is not None:
            await asyncio.wait([self._sweeping])
        await asyncio.to_thread(remove, [*self._ended, *self._not_taken], self._out)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(DELAY, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due():
            self._sweeping = asyncio.create_task(self._sweep(), name="hearth-litter")
        else:
            self._quiet = True
            self._wait()

    def _due(self) -> bool:
        return self._quiet or self._large or len(self._ended) > MOST

    async def _sweep(self) -> None:
        """Gives way as soon as predictions end again."""
        self._ended, self._not_taken = [*self._not_taken, *self._ended], []
        urgent, self._large = len(self._ended) if self._large else 0, False
        while self._ended and (urgent > 0 or self._due()) and not self._closed:
            batch, self._ended = self._ended[:_BATCH], self._ended[_BATCH:]
            urgent -= len(batch)
            self._not_taken += await asyncio.to_thread(remove, batch, self._out)
        self._sweeping = None
        if self._ended and not self._closed:
            self._wait()


def remove(names: Iterable[str], out: Path) -> list[str]:
    """Deletes coglet's folders of `names`, and of ours below `out` what is empty. Returns the names whose files
    the engine has not taken yet."""
    made_files = set(_list(out))
    kept = []
    for name in names:
        _remove(f"{COGLET}/{name}")
        if name in made_files:
            for path, _, _ in os.walk(out / name, topdown=False):
                with contextlib.suppress(OSError):  # not empty
                    os.rmdir(path)
            if (out / name).exists():
                kept.append(name)
    return kept


def remove_all(prefix: str, *, but: str) -> None:
    """Deletes coglet's folders whose names begin with `prefix`, except those that begin with `but`."""
    for name in _list(COGLET):
        if name.startswith(prefix) and not name.startswith(but):
            _remove(f"{COGLET}/{name}")


def _list(folder: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield from os.listdir(folder)


def _remove(folder: str) -> None:
    try:  # half the time that rmtree takes
        os.rmdir(f"{folder}/inputs")
        os.rmdir(f"{folder}/outputs")
        os.rmdir(folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
