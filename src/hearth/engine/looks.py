"""When instances are measured: once they are ready, now and then while they work, and before they end. An idle
machine is left alone: the kernel keeps the peaks, so nothing is missed between two looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hearth.engine.alarms import Alarm, Alarms
from hearth.engine.host import Host
from hearth.engine.packing import Packing
from hearth.engine.tasks import Tasks
from hearth.runtime.base import Instance


class Looks:
    def __init__(
        self,
        *,
        packing: Packing,
        alarms: Alarms,
        interval: float,
        hosts: Callable[[], Iterable[Host]],
        seen: Callable[[], None],
    ) -> None:
        """`seen` is called when there is something new to show."""
        self._packing, self._alarms, self._interval = packing, alarms, interval
        self._hosts, self._seen = hosts, seen
        self._tasks = Tasks()
        self._next: Alarm | None = None

    async def ready(self, host: Host, instance: Instance) -> None:
        """What its setup took."""
        self._packing.looked(host, await instance.usage(), setup=True)

    def works(self, host: Host) -> None:
        """It has something to do."""
        host.worked = True
        if self._next is None:
            self._next = self._alarms.after(self._interval, self._round)

    async def last(self, host: Host) -> None:
        """Before it ends: what its runs took since the last look."""
        if host.instance is not None and not host.instance.lost.done() and host.worked:
            self._packing.looked(host, await host.instance.usage())
        self._packing.ended(host)

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
        await self._tasks.join()

    def _round(self) -> None:
        self._next = None
        for host in self._hosts():
            if host.worked and host.serving:
                host.worked = False
                self._tasks.spawn(self._look(host), f"look at {host.id}")
                if host.running:
                    self.works(host)

    async def _look(self, host: Host) -> None:
        if host.instance is not None and not host.instance.lost.done():
            usage = await host.instance.usage()
            if not host.over:
                self._packing.looked(host, usage)
                self._seen()
