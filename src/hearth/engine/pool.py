"""One lane's waiting line, its instances, and what is known about booting more."""

from __future__ import annotations

import math

from hearth.domain.breakdown import Breakdown
from hearth.domain.lane import Lane
from hearth.domain.model import Batching, Version
from hearth.engine.alarms import Alarm
from hearth.engine.host import Host
from hearth.engine.ticket import Plan, Ticket
from hearth.policy.autoscale import Load
from hearth.policy.batching import Gathering
from hearth.policy.faults import NONE
from hearth.policy.order import RESERVE, Line, open_to_batch


class Pool:
    def __init__(self, version: Version, lane: Lane) -> None:
        self.version = version
        self._lane = lane
        self.plan = Plan(version, lane)
        self.proving = False
        """One instance must become ready even if nobody waits: a release rolls out."""
        self.warm = 0
        """Instances that are kept ready now, by a warm window."""
        self.asked = 0
        """Instances that somebody asked for by hand, until as many serve."""
        self.retired = False
        """Another release has taken over: who waits is served, then it ends."""
        self.line: Line[Ticket] = Line()
        self.interactive_at = -math.inf
        """When interactive work came last. Wall time."""
        self.opening: Alarm | None = None
        """Rings when batch work that is held back may have the last slot."""
        self.gathering: Gathering[Ticket] | None = None
        """Of those in line, who may run together; None if each runs alone."""
        if (batching := self.batching) is not None:
            self.gathering = Gathering(batching.max_size, batching.max_wait)
        self.meeting: Alarm | None = None
        """Rings when a group has waited long enough for more."""
        self.hosts: dict[str, Host] = {}
        self.promised: dict[str, Ticket] = {}
        """Booting instances by id, and the prediction that each was booted for."""
        self.because = ""
        """Why there is no room for another instance, while that is so."""
        self.claims = False
        """Room is being made for it: nobody else may take it."""
        self.wants_room = False
        """And whether an instance that ends would make it."""
        self.faults = NONE
        """What its instances failed at lately."""
        self.broken: Breakdown | None = None
        """It is given up: nothing boots, and predictions fail at once."""
        self.blocked_until = 0.0
        """Monotonic."""
        self.again: Alarm | None = None
        self.slots = 1
        """Of an instance, as far as known."""

    def renew(self, lane: Lane) -> None:
        """A later release has these bounds: they count, and who comes from now on comes for it."""
        self.lane, self.plan = lane, Plan(self.version, lane)

    def free(self) -> Host | None:
        """An instance with a free slot: the fullest, so that those which are not needed become idle and end."""
        found = None
        for host in self.hosts.values():
            if host.free and (found is None or len(host.running) > len(found.running)):
                found = host
        return found

    @property
    def lane(self) -> Lane:
        """Its bounds as they are now."""
        return self._lane

    @lane.setter
    def lane(self, lane: Lane) -> None:
        self._lane = lane
        if self.gathering is not None and (batching := self.batching) is not None:
            self.gathering.resize(batching.max_size, batching.max_wait)

    @property
    def batching(self) -> Batching | None:
        """How predictions are grouped here."""
        said, lane = self.version.recipe.batching, self._lane
        if said is None or lane.train:
            return None
        return Batching(
            inputs=said.inputs,
            max_size=lane.batch_size or said.max_size,
            max_wait=said.max_wait if lane.batch_wait is None else lane.batch_wait,
        )

    def join(self, ticket: Ticket, now: float, *, front: bool = False) -> None:
        """It waits; at the `front` if it had a slot before."""
        prediction = ticket.live.prediction
        if front:
            self.line.push_front(ticket.account, ticket.id, ticket, prediction.priority)
        else:
            self.line.push(ticket.account, ticket.id, ticket, prediction.priority, prediction.created_at, now)

    def next(self, now: float) -> Ticket | None:
        """Who has the slot that is free; it waits no more. None if nobody waits, or if the slot is kept from those
        who do: see `opens`."""
        ticket = self.line.pop(now, batch=False)
        if ticket is None and self.line and self.open_to_batch(now):
            ticket = self.line.pop(now)
        return ticket

    def open_to_batch(self, now: float) -> bool:
        hosts = [host for host in self.hosts.values() if host.serving]
        free = sum(host.slots - len(host.running) for host in hosts)
        return open_to_batch(sum(host.slots for host in hosts), free, now - self.interactive_at)

    def opens(self, now: float) -> float | None:
        """Seconds until the last slot is open to batch work that waits; None if it is already, or nobody waits."""
        matures = self.line.matures_next()
        if matures is None or self.open_to_batch(now):
            return None
        return max(min(matures, self.interactive_at + RESERVE) - now, 0.0)

    def leave(self, ticket: Ticket) -> None:
        """It waits no more."""
        self.line.remove(ticket.id)
        if self.gathering is not None:
            self.gathering.leave(ticket.id)

    def oldest(self, now: float) -> float:
        """Seconds that the oldest has waited. `now` is wall time, as predictions have it."""
        return max((now - ticket.live.prediction.created_at for ticket in self.line.heads()), default=0.0)

    @property
    def minimum(self) -> int:
        return max(self.lane.minimum, int(self.proving), self.warm, self.asked)

    @property
    def short(self) -> bool:
        """Whether it has fewer instances than it is to keep."""
        return sum(1 for host in self.hosts.values() if host.serving or host.booting) < self.minimum

    def keeps(self, host: Host) -> bool:
        """Whether this instance is one of those that are kept running."""
        return bool(self.minimum) and sum(1 for h in self.hosts.values() if h.serving) <= self.minimum

    def load(
        self, *, now: float, monotonic: float, maximum: int, run: float | None = None, boot: float | None = None
    ) -> Load:
        """`maximum` is the server's, for lanes without one of their own; `run` and `boot`: seconds to expect."""
        hosts = self.hosts.values()
        return Load(
            waiting=len(self.line),
            running=sum(len(host.predictions) for host in hosts),
            ready=sum(1 for host in hosts if host.serving),
            booting=sum(1 for host in hosts if host.booting),
            slots=self.slots * (1 if self.gathering is None else self.gathering.max_size),
            minimum=self.minimum,
            maximum=maximum if self.lane.maximum is None else max(self.lane.maximum, self.minimum),
            alone=self.lane.train,
            run=run,
            running_for=self._running_for(monotonic),
            boot=boot,
            oldest=self.oldest(now),
            blocked=max(self.blocked_until - monotonic, 0.0),
            failures=self.faults.setups,
            deaths=self.faults.deaths,
        )

    def _running_for(self, monotonic: float) -> float:
        """Seconds since the last of those that run was given its slot."""
        return min((monotonic - host.taken_since for host in self.hosts.values() if host.running), default=0.0)

    def reset(self) -> None:
        """Forget what failed."""
        self.faults, self.broken, self.blocked_until = NONE, None, 0.0

    @property
    def idle(self) -> bool:
        """Nothing is left that is worth keeping."""
        return not (self.line or self.hosts or self.minimum or (self.faults != NONE and not self.retired))
