"""The lanes that are given up: known at once, and stored, so that a restart does not try them all again."""

from __future__ import annotations

import asyncio
import logging

from hearth.clock import Clock
from hearth.domain.breakdown import LOGS, Breakdown
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.engine.tasks import Tasks
from hearth.policy.backoff import store_delay
from hearth.store.base import Store

log = logging.getLogger(__name__)


class Breakdowns:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._known: dict[str, Breakdown] = {}
        self._one = asyncio.Lock()
        """One write at a time: the last one has what is so now."""
        self._tasks = Tasks()

    async def start(self) -> None:
        """Remember what was given up before this start."""
        self._known = {breakdown.lane: breakdown for breakdown in await self._store.breakdowns.all()}

    async def close(self) -> None:
        await self._tasks.close()

    def of(self, lane: str) -> Breakdown | None:
        """By the key of the lane."""
        return self._known.get(lane)

    def all(self) -> list[Breakdown]:
        return list(self._known.values())

    def add(self, version: Version, lane: Lane, because: str, logs: str, failures: int) -> Breakdown:
        breakdown = Breakdown(
            lane=lane.key,
            version_id=version.id,
            model=version.model,
            deployment=lane.deployment,
            because=because,
            logs=logs[-LOGS:],
            failures=failures,
            at=self._clock.now(),
        )
        self._known[lane.key] = breakdown
        log.error(
            "%s is given up: %s",
            lane.deployment or version.model,
            breakdown.sentence,
            extra={"action": "version_broken", "version": version.id, "lane": lane.key},
        )
        self._tasks.spawn(self._write(lane.key), f"breakdown of {lane.key}")
        return breakdown

    def clear(self, lane: str) -> None:
        """It is to be tried again; nothing happens if it is not given up."""
        breakdown = self._known.pop(lane, None)
        if breakdown is not None:
            log.info(
                "%s is tried again",
                breakdown.deployment or breakdown.model,
                extra={"action": "version_retried", "version": breakdown.version_id, "lane": lane},
            )
            self._tasks.spawn(self._write(lane), f"breakdown of {lane}")

    def clear_version(self, version_id: str) -> None:
        for breakdown in self.all():
            if breakdown.version_id == version_id:
                self.clear(breakdown.lane)

    async def _write(self, lane: str) -> None:
        """Store how it is now, as often as it takes."""
        tries = 0
        while True:
            try:
                async with self._one:
                    if (breakdown := self._known.get(lane)) is not None:
                        await self._store.breakdowns.put(breakdown)
                    else:
                        await self._store.breakdowns.clear(lane)
                return
            except Exception as error:  # noqa: BLE001 - drivers raise their own; what is wanted must not get lost
                tries += 1
                log.warning("a breakdown could not be stored: %s", error, extra={"action": "store_refused"})
                await self._clock.sleep(store_delay(tries))
