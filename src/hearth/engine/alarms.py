"""Everything that is to happen later, in one heap with one sleeper: timeouts, deadlines, retries, renewals.

Not asyncio's own timers, because time is a port here: tests let hours pass in a moment.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable
from itertools import count

from hearth.clock import Clock

log = logging.getLogger(__name__)

_FOREVER = 24 * 3600.0
_LEAST = 1e-4
"""Seconds. What is left of a wait by rounding must not set an alarm for now, again and again as time stands still."""
_CLEAN_FROM = 64
"""Canceled alarms stay in the heap until they are due or outnumber the others, from this many on."""


class Alarm:
    """One call at one time. `cancel` may come any number of times, also afterwards."""

    __slots__ = ("_owner", "at", "call", "number")

    def __init__(self, at: float, number: int, call: Callable[[], None] | None, owner: Alarms) -> None:
        self.at, self.number, self.call, self._owner = at, number, call, owner

    def __lt__(self, other: Alarm) -> bool:
        return (self.at, self.number) < (other.at, other.number)

    def cancel(self) -> None:
        if self.call is not None:
            self.call = None
            self._owner.forget()


class Alarms:
    """`run` is the one task; it must be running for alarms to ring."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Alarm] = []
        self._canceled = 0
        self._numbers = count()
        self._sleeper: asyncio.Task[None] | None = None
        self._until = 0.0

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Call in `seconds` from now. The call must not raise or block."""
        if 0 < seconds < _LEAST:
            seconds = _LEAST
        alarm = Alarm(self._clock.monotonic() + seconds, next(self._numbers), call, self)
        heapq.heappush(self._heap, alarm)
        if self._sleeper is not None and alarm.at < self._until:
            self._sleeper.cancel()
        return alarm

    def forget(self) -> None:
        """Count a canceled alarm, and clear them out when they are the majority."""
        self._canceled += 1
        if self._canceled > _CLEAN_FROM and self._canceled * 2 > len(self._heap):
            self._heap = [alarm for alarm in self._heap if alarm.call is not None]
            heapq.heapify(self._heap)
            self._canceled = 0

    async def run(self) -> None:
        """Ring what is due, for ever. Cancelling this ends it."""
        while True:
            self._ring()
            now = self._clock.monotonic()
            self._until = self._heap[0].at if self._heap else now + _FOREVER
            self._sleeper = asyncio.ensure_future(self._clock.sleep(self._until - now))
            try:
                await asyncio.wait([self._sleeper])
            finally:
                self._sleeper.cancel()
                self._sleeper = None

    def _ring(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0].at <= now:
            alarm = heapq.heappop(self._heap)
            call, alarm.call = alarm.call, None
            if call is None:
                self._canceled -= 1
                continue
            try:
                call()
            except Exception:  # one bad call must not stop every timeout of the engine
                log.exception("alarm failed", extra={"action": "alarm_failed"})
