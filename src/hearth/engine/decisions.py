"""What was decided, remembered: the latest in memory for whoever asks, all of them in the store a moment later."""

from __future__ import annotations

import logging
import re
from collections import deque
from itertools import count
from typing import Protocol

from hearth import ids
from hearth.clock import Clock
from hearth.domain.decision import KEPT, Action, Decided
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.engine.alarms import Alarms
from hearth.engine.metrics import Metrics
from hearth.engine.tasks import Tasks
from hearth.store.base import Store

log = logging.getLogger(__name__)

WRITE_AFTER = 1.0
"""Seconds until decisions are stored, several at once."""
_LANES = 1000
_NUMBERS = re.compile(r"\d+(\.\d+)?")
_WAITING = frozenset({Action.HOLD, Action.BACKOFF})


class Notes(Protocol):
    """Who is told what was decided."""

    def note(
        self,
        action: Action,
        version: Version,
        lane: Lane,
        because: str,
        *,
        instance: str | None = None,
        wanted: int | None = None,
    ) -> None: ...


class Decisions:
    """`Notes`. What an instance waits for is noted when it changes, not each time that it is asked."""

    def __init__(self, *, store: Store, clock: Clock, alarms: Alarms, metrics: Metrics) -> None:
        self._store, self._clock, self._alarms, self._metrics = store, clock, alarms, metrics
        self._latest: deque[Decided] = deque(maxlen=KEPT)
        self._unwritten: list[Decided] = []
        self._waiting: dict[str, str] = {}
        """By lane: the sentence that was noted last, without its numbers."""
        self._numbers = count()
        """In an id, after the milliseconds: what was decided later sorts later."""
        self._tasks = Tasks()
        self._armed = False

    async def start(self) -> None:
        """Remember what was decided before this start."""
        self._latest.extend(reversed(await self._store.decisions.latest(KEPT)))

    def note(
        self,
        action: Action,
        version: Version,
        lane: Lane,
        because: str,
        *,
        instance: str | None = None,
        wanted: int | None = None,
    ) -> None:
        if action in _WAITING:
            sentence = _NUMBERS.sub("", because)
            if self._waiting.get(lane.key) == sentence:
                return
            if len(self._waiting) >= _LANES:
                self._waiting.clear()
            self._waiting[lane.key] = sentence
            log.info(
                "%s wants an instance: %s",
                lane.deployment or version.model,
                because,
                extra={"action": f"instance_{action.value}", "version": version.id},
            )
        else:
            self._waiting.pop(lane.key, None)
            self._metrics.decisions[action].inc()
        decided = Decided(
            id=f"{ids.sortable()[:10]}{next(self._numbers):016}",
            at=self._clock.now(),
            action=action,
            lane=lane.key,
            model=version.model,
            version=version.id,
            because=because,
            deployment=lane.deployment,
            instance=instance,
            wanted=wanted,
        )
        self._latest.append(decided)
        self._unwritten.append(decided)
        if not self._armed:
            self._armed = True
            self._alarms.after(WRITE_AFTER, self._store_soon)

    def latest(self, limit: int) -> list[Decided]:
        """Newest first."""
        found = list(self._latest)[-limit:] if limit else []
        return found[::-1]

    def _store_soon(self) -> None:
        self._tasks.spawn(self._write(), "decisions")

    async def _write(self) -> None:
        """What cannot be stored is lost to the next start, and said once: nothing depends on it."""
        self._armed = False
        batch, self._unwritten = self._unwritten, []
        try:
            await self._store.decisions.add(batch, KEPT)
        except Exception:  # drivers raise their own
            log.exception("%d decisions could not be stored", len(batch), extra={"action": "decisions_lost"})

    async def close(self) -> None:
        await self._tasks.join()
        if self._unwritten:
            await self._write()
