"""The way from a coroutine that has bytes to an uploader that pulls them."""

from __future__ import annotations

import asyncio


class Aborted(Exception):
    """The source of an upload failed or was cancelled."""


class Pipe:
    """An async iterator over what `push` hands in. Holds one block, so that the slower side sets the pace."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | Aborted | None] = asyncio.Queue(1)

    def __aiter__(self) -> Pipe:
        return self

    async def __anext__(self) -> bytes:
        item = await self._queue.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Aborted):
            raise item
        return item

    async def push(self, block: bytes | None, reader: asyncio.Task[None]) -> None:
        """Wait for room and hand over; None ends the stream. If `reader` has failed, raises its error: nobody
        would ever make room."""
        if not self._queue.full() and not reader.done():
            self._queue.put_nowait(block)
            return
        placed = asyncio.ensure_future(self._queue.put(block))
        try:
            await asyncio.wait([placed, reader], return_when=asyncio.FIRST_COMPLETED)
        finally:
            placed.cancel()
        if reader.done():
            reader.result()

    def abort(self) -> None:
        """The iterator raises Aborted instead of what it still held."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(Aborted())
