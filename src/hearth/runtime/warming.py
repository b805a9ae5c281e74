"""Weights are read into the page cache while the model's interpreter imports its libraries.

Both take seconds, one of the disk and one of a core. The kernel is asked (POSIX_FADV_WILLNEED) and reads by itself,
but for what it has already.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from hearth.runtime import memory

LARGE = 1024 * 1024
"""Bytes. Smaller files were read when the instance got its copies."""
SHARE = 0.5
"""Of the memory that is available: the model needs the rest for what it makes of its weights."""
_PIECE = 128 * 1024
"""Bytes that are asked for at a time: Linux reads no more for one call than the disk's read-ahead."""


class Warming:
    """Made by `start`; `stop` it when the instance is ready, or is not going to be."""

    def __init__(self, places: list[Path]) -> None:
        self._places = places
        self._enough = threading.Event()
        self._done = asyncio.get_running_loop().run_in_executor(None, self._read)

    @classmethod
    def start(cls, *places: Path) -> Warming | None:
        """Of these files, and what lies in these folders; None where the system can't be asked."""
        if not hasattr(os, "posix_fadvise"):
            return None
        return cls(list(places))

    def stop(self) -> None:
        self._enough.set()

    async def finished(self) -> int:
        """The bytes that were asked for."""
        return await self._done

    def _read(self) -> int:
        left = most = int((memory.available() or 0) * SHARE)
        for path in self._large():
            left -= self._ask(path, left)
            if left <= 0 or self._enough.is_set():
                break
        return most - left

    def _ask(self, path: Path, most: int) -> int:
        with contextlib.suppress(OSError):  # the instance is being removed
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                size = min(os.fstat(fd).st_size, most)
                for start in range(0, size, _PIECE):
                    if self._enough.is_set():
                        return start
                    os.posix_fadvise(fd, start, min(_PIECE, size - start), os.POSIX_FADV_WILLNEED)
                return size
            finally:
                os.close(fd)
        return 0

    def _large(self) -> Iterator[Path]:
        for place in self._places:
            with contextlib.suppress(OSError):
                if place.is_file():
                    yield place
                for folder, _, names in os.walk(place):
                    for name in names:
                        path = Path(folder, name)
                        if path.is_file() and path.stat().st_size >= LARGE:
                            yield path
