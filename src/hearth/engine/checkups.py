"""Instances that answer and are of no use any more are found and replaced: a model may say that it is ill
(`healthcheck()` of its class), its process may hang, or what it raised may leave nothing to hope for.

It is looked at when it has failed a prediction, before it gets the next one, and now and then while it is idle: a
busy one answers late, and its runs have limits of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from hearth.engine.alarms import Alarm, Alarms
from hearth.engine.host import Host
from hearth.engine.supervisor import Supervisor
from hearth.engine.tasks import Tasks
from hearth.policy.recovery import unfit


class Checkups:
    def __init__(
        self, *, supervisor: Supervisor, alarms: Alarms, interval: float, died: Callable[[Host, str], None]
    ) -> None:
        """`interval`: seconds between two looks at an idle instance. `died` is told of one that is given up."""
        self._supervisor, self._alarms, self._interval, self._died = supervisor, alarms, interval, died
        self._alarm: Alarm | None = None
        self._tasks = Tasks()

    def start(self) -> None:
        self._alarm = self._alarms.after(self._interval, self._round)

    async def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        await self._tasks.close()

    async def after_error(self, host: Host, error: str) -> str | None:
        """Why an instance whose model raised this must not be used again; None if it may."""
        because = unfit(error)
        if because is None and host.instance is not None and len(host.running) == 1:
            because = await host.instance.check()
        return because

    def _round(self) -> None:
        for host in self._supervisor.hosts.values():
            if host.free and not host.running:
                self._tasks.spawn(self._look(host), f"check of {host.id}")
        self.start()

    async def _look(self, host: Host) -> None:
        assert host.instance is not None
        because = await host.instance.check()
        if because is not None and host.free and not host.running:
            self._died(host, because)
            self._supervisor.end(host, because, 0)
