"""Warm windows, idle timeouts and lengths of lines as they are wanted, made so: at the start, after every change, and
when a schedule opens or closes.

What is kept warm of a model is its latest version (or the one that was named), of a deployment the release that
serves: `rollouts.py` asks for that number when it makes the lane's bounds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hearth.clock import Clock
from hearth.domain.lane import of_version
from hearth.domain.scaling import Scaling
from hearth.domain.schedule import ScheduleInvalid
from hearth.engine.alarms import Alarm, Alarms
from hearth.engine.planner import Planner
from hearth.engine.tasks import Tasks
from hearth.policy.backoff import store_delay
from hearth.store.base import Store

log = logging.getLogger(__name__)

LOOK = 3600.0
"""Seconds after which a schedule is looked at in any case: the clock on the wall may be set, or the machine sleep."""


class Scalings:
    """`rolled` is told of a deployment whose number of warm instances has changed."""

    def __init__(
        self, *, store: Store, clock: Clock, alarms: Alarms, planner: Planner, rolled: Callable[[str], None]
    ) -> None:
        self._store, self._clock, self._alarms = store, clock, alarms
        self._planner, self._rolled = planner, rolled
        self._known: dict[str, Scaling] = {}
        self._kept: dict[str, str] = {}
        """By model id: the version whose lane is kept warm."""
        self._names: dict[str, str] = {}
        """By model id: what the planner knows it by."""
        self._counts: dict[str, int] = {}
        """By deployment id: how many are kept warm now."""
        self._rings: dict[str, Alarm] = {}
        self._one = asyncio.Lock()
        self._tasks = Tasks()

    async def start(self) -> None:
        for scaling in await self._store.scalings.all():
            await self._apply(scaling.target, scaling)

    async def close(self) -> None:
        await self._tasks.close()

    def warm(self, deployment_id: str) -> int:
        """Instances of a deployment that are kept ready now."""
        return self._counts.get(deployment_id, 0)

    def changed(self, target: str) -> None:
        """Somebody wants it otherwise, a window opens or closes, or there may be another latest version."""
        self._tasks.spawn(self._follow(target), f"scaling {target}")

    def version_added(self, version_id: str) -> None:
        """It is the latest of its model now."""
        if self._known:
            self._tasks.spawn(self._look_up(version_id), f"scaling of {version_id}")

    async def _look_up(self, version_id: str) -> None:
        version = await self._store.versions.get(version_id)
        if version is not None and version.model_id in self._known:
            await self._follow(version.model_id)

    def version_gone(self, version_id: str) -> None:
        """Another one is the latest of its model now."""
        for target, kept in self._kept.items():
            if kept == version_id:
                self.changed(target)

    async def _follow(self, target: str) -> None:
        tries = 0
        while True:
            try:
                async with self._one:
                    await self._apply(target, await self._store.scalings.get(target))
                return
            except Exception:  # drivers raise their own; what is wanted must not get lost
                tries += 1
                log.exception("a warm window could not be followed", extra={"action": "scaling_retry"})
                await self._clock.sleep(store_delay(tries))

    async def _apply(self, target: str, scaling: Scaling | None) -> None:
        if (ring := self._rings.pop(target, None)) is not None:
            ring.cancel()
        now, count, change = self._clock.now(), 0, None
        if scaling is None:
            self._known.pop(target, None)
        else:
            self._known[target] = scaling
            try:
                count, change = scaling.warm_at(now), scaling.next_change(now)
            except ScheduleInvalid as error:
                log.warning("a schedule is not followed: %s", error, extra={"action": "schedule_invalid"})
        if change is not None:
            self._rings[target] = self._alarms.after(min(change - now, LOOK), lambda: self.changed(target))
        model = (await self._store.models.many([target])).get(target)
        if model is not None or target in self._names:
            name = self._names.setdefault(target, model.full_name if model is not None else "")
            if scaling is None:
                del self._names[target]
            self._planner.scale(name, scaling)
            wanted = None if model is None or scaling is None else scaling.version or model.latest_version_id
            await self._keep(target, wanted, count, "cpu" if model is None else model.hardware)
        else:
            self._planner.scale(target, scaling)
            if self._counts.get(target, 0) != count:
                self._counts[target] = count
                self._rolled(target)
            if scaling is None:
                self._counts.pop(target, None)

    async def _keep(self, target: str, version_id: str | None, count: int, hardware: str) -> None:
        """The lane of this version is kept warm from now on, and no other of its model."""
        before = self._kept.pop(target, None)
        version = await self._store.versions.get(version_id) if version_id is not None and count else None
        if version is not None:
            self._kept[target] = version.id
            self._planner.keep(of_version(version.id, hardware), version, count)
        if before is not None and (version is None or before != version.id):
            old = self._planner.pools.get(before)
            if old is not None:
                self._planner.keep(old.lane, old.version, 0)
