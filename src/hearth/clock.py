"""Time as a port: the wall for records, the monotonic one for waiting."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970, UTC, in whole microseconds: as the wire shows them. What records hold."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump. What intervals are measured with."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> float:
        return time.time_ns() // 1000 / 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def iso(at: float) -> str:
    """`2026-01-31T10:00:00.123456Z`: UTC with microseconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
