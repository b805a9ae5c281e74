"""A clock that stands still until it is told to go on."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from itertools import count
from typing import Any


class FakeClock:
    """`clock.Clock` whose time moves only by `advance`: tests of hours take milliseconds and never flake."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self._elapsed = 0.0
        self._epoch = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> float:
        return self._epoch + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Counts from the call, not from when the task that waits gets to run: no `advance` can slip between."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seconds <= 0:
            future.set_result(None)
        else:
            heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._numbers), future))
        return self._sleep(future)

    async def _sleep(self, future: asyncio.Future[None]) -> None:
        if future.done():
            await asyncio.sleep(0)
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: whoever sleeps wakes in order, each before time goes on."""
        end = self._elapsed + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._elapsed = max(self._elapsed, at)
            future.set_result(None)
            await settle()
        self._elapsed = end
        await settle()


async def settle(rounds: int = 20) -> None:
    """Let everything that can go on without waiting for the outside go on."""
    for _ in range(rounds):
        await asyncio.sleep(0)
