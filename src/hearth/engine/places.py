"""Where those who wait stand, when they will start, and why. Worked out when somebody looks, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from hearth.clock import Clock
from hearth.domain.model import Version
from hearth.domain.prediction import Place
from hearth.engine.host import Host
from hearth.engine.planner import Planner
from hearth.engine.pool import Pool
from hearth.engine.run_times import RunTimes
from hearth.engine.supervisor import Supervisor
from hearth.engine.ticket import Ticket
from hearth.policy.estimate import Outlook, about, expected, remaining, wait
from hearth.policy.order import place


class Places:
    """`tickets`: those who run are among them. `boot_left`: seconds that a boot of a version still takes which
    began so many seconds ago, if anybody knows."""

    def __init__(
        self,
        *,
        planner: Planner,
        supervisor: Supervisor,
        times: RunTimes,
        clock: Clock,
        tickets: Mapping[str, Ticket],
        boot_left: Callable[[Version, float], float | None],
    ) -> None:
        self._planner, self._supervisor, self._times = planner, supervisor, times
        self._clock, self._tickets, self._boot_left = clock, tickets, boot_left

    def of(self, pool: Pool, ticket: Ticket, because: str | None = None) -> Place:
        """Of one who waits. `because`: why it waits, if not for the reasons of its lane; then nobody knows how long."""
        now = self._clock.now()
        ahead = pool.line.position(ticket.id, now)
        if because is not None:
            return Place(ahead=ahead, starts_at=None, because=f"{place(ahead)}; {because}")
        seconds = wait(self._outlook(pool, now), ahead)
        sentence = f"{place(ahead)}; {self._planner.explain(pool)}"
        if seconds is None:
            return Place(ahead=ahead, starts_at=None, because=sentence)
        return Place(ahead=ahead, starts_at=round(now + seconds), because=f"{sentence}; it starts in {about(seconds)}")

    def soon(self, pool: Pool) -> float | None:
        """Seconds until the first in line starts, as far as one can tell."""
        return wait(self._outlook(pool, self._clock.now()), 0)

    def _outlook(self, pool: Pool, now: float) -> Outlook:
        slots: list[float | None] = []
        for host in pool.hosts.values():
            if host.booting:
                elapsed = self._clock.monotonic() - host.started_since
                slots += [self._boot_left(host.version, elapsed)] * pool.slots
            elif host.serving:
                slots += [0.0] * (host.slots - len(host.running))
                slots += self._runs_left(host, now)
        if not pool.hosts:
            boot = self._boot_left(pool.version, 0.0)
            room = self._room(pool, now) if self._planner.keeps_out(pool) else 0.0
            if boot is not None and room is not None:
                slots += [max(room, pool.blocked_until - self._clock.monotonic()) + boot] * pool.slots
        run = expected(self._times.of(pool.version.id, pool.lane.train))
        return Outlook(slots=tuple(slots), run=run)

    def _runs_left(self, host: Host, now: float) -> Iterator[float | None]:
        """Seconds that each run on it still takes."""
        times = self._times.of(host.version.id, host.lane.train)
        for holder in host.running:
            members = host.groups.get(holder, (holder,))
            ticket = next((self._tickets[id] for id in members if id in self._tickets), None)
            began = None if ticket is None else ticket.live.prediction.started_at
            yield remaining(times, 0.0 if began is None else now - began)

    def _room(self, pool: Pool, now: float) -> float | None:
        """Seconds until an instance of another lane has done its work, and may go."""
        known: list[float] = []
        for host in self._supervisor.hosts.values():
            other = self._planner.pools.get(host.lane.key)
            if other is pool or not host.serving or (other is not None and (other.line or other.keeps(host))):
                continue
            left = [seconds for seconds in self._runs_left(host, now) if seconds is not None]
            if len(left) == len(host.running):
                known.append(max(left, default=0.0))
        return min(known, default=None)
