"""How many instances each lane has, and whose room they take: the decisions of `policy`, carried out.

It owns the lanes and never waits: every call runs through, and what takes time calls back. When a lane wants one
more instance:

1. There is room: it boots.
2. There is an idle one of another lane: that one ends first.
3. Else the lane is kept out, and planned again whenever an instance becomes idle or ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

from msgspec.structs import replace

from hearth.clock import Clock
from hearth.domain.decision import Action
from hearth.domain.events import Kind
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.domain.overview import LaneView
from hearth.domain.prediction import Phase, Step
from hearth.domain.scaling import Scaling
from hearth.engine.alarms import Alarms
from hearth.engine.boots import Boots
from hearth.engine.breakdowns import Breakdowns
from hearth.engine.decisions import Notes
from hearth.engine.host import Host
from hearth.engine.options import EngineOptions
from hearth.engine.overview import lane_view
from hearth.engine.packing import Packing
from hearth.engine.pool import Pool
from hearth.engine.recorder import Recorder
from hearth.engine.run_times import RunTimes
from hearth.engine.supervisor import Supervisor
from hearth.engine.ticket import Stage, Ticket
from hearth.engine.watcher import Watcher
from hearth.policy.autoscale import Load, decide
from hearth.policy.estimate import expected
from hearth.policy.faults import NONE, Faults
from hearth.policy.placement import TAKEOVER, Boot, Evict, Hold, Never, yields
from hearth.policy.worth import Resident

RETIRED_IDLE = 5.0
"""Seconds that an idle instance of a retired lane stays, for predictions that were still sent its way."""


class Planner:
    """The lanes. `watcher` is set once, before the first prediction."""

    watcher: Watcher

    def __init__(
        self,
        *,
        recorder: Recorder,
        supervisor: Supervisor,
        packing: Packing,
        decisions: Notes,
        breakdowns: Breakdowns,
        times: RunTimes,
        boots: Boots,
        clock: Clock,
        alarms: Alarms,
        options: EngineOptions,
    ) -> None:
        self._recorder, self._supervisor, self._decisions = recorder, supervisor, decisions
        self._packing = packing
        self._breakdowns = breakdowns
        self._times, self._boots = times, boots
        self._clock, self._alarms, self._options = clock, alarms, options
        self.refuse: Callable[[Pool, str], None]
        """Fails those who wait in a lane that can have no instance. Set once, before the first prediction."""
        self.pools: dict[str, Pool] = {}
        self._kept_out: dict[str, Pool] = {}
        """Lanes that want an instance and have no room for it."""
        self.closed = False
        """The server is stopping, or paused: nothing boots."""
        self._scalings: dict[str, Scaling] = {}
        """By the id of a deployment or the name of a model, where not all is as usual."""

    # Lanes

    def pool(self, version: Version, lane: Lane) -> Pool:
        """A prediction that comes late brings bounds of the past: only `serve` says what is kept running. One that
        comes early brings those of a release that is yet to be heard of here: its lane may have been disabled."""
        pool = self.pools.get(lane.key)
        if pool is None:
            lane = replace(lane, minimum=0) if lane.minimum else lane
            pool = self.pools[lane.key] = Pool(version, lane)
            pool.broken = self._breakdowns.of(lane.key)
        elif lane.release > pool.lane.release:
            pool.renew(replace(lane, minimum=pool.lane.minimum))
        return pool

    def wanted(self, pool: Pool) -> None:
        """Somebody wants it: that makes its instances worth keeping."""
        self._packing.used(pool.lane.key)

    def tidy(self, pool: Pool) -> None:
        """Forget a lane that nothing is left of."""
        if pool.idle and self.pools.get(pool.lane.key) is pool:
            if pool.again is not None:
                pool.again.cancel()
            self.pools.pop(pool.lane.key)
            self._kept_out.pop(pool.lane.key, None)

    def reset(self, version_id: str) -> None:
        """Forget setup failures of a version."""
        self._packing.reset(version_id)
        self._breakdowns.clear_version(version_id)
        for pool in [pool for pool in self.pools.values() if pool.version.id == version_id]:
            pool.reset()
            self.plan(pool)
            self.tidy(pool)

    # How many

    def load(self, pool: Pool) -> Load:
        return pool.load(
            now=self._clock.now(),
            monotonic=self._clock.monotonic(),
            maximum=self._options.max_instances if pool.lane.train else self._options.max_instances_per_version,
            run=expected(self._times.of(pool.version.id, pool.lane.train)),
            boot=self._boots.expected(pool.version),
        )

    def explain(self, pool: Pool) -> str:
        """Why those who wait in this lane wait."""
        if pool.broken is not None:
            return pool.broken.sentence
        return pool.because if pool.lane.key in self._kept_out else decide(self.load(pool)).because

    def keeps_out(self, pool: Pool) -> bool:
        """Whether it wants an instance and has no room for it."""
        return pool.lane.key in self._kept_out

    def plan(self, pool: Pool) -> None:
        """Ask the policy how many instances this lane should have, and start on it."""
        if self.closed or pool.broken is not None or not (pool.line or pool.short):
            return
        load = self.load(pool)
        decision = decide(load)
        if pool.again is not None:
            pool.again.cancel()
            pool.again = None
        if decision.again is not None:
            pool.again = self._alarms.after(decision.again, lambda: self.plan(pool))
        self._kept_out.pop(pool.lane.key, None)
        if load.blocked > 0:
            self._decisions.note(Action.BACKOFF, pool.version, pool.lane, decision.because)
        for _ in range(decision.wanted - load.ready - load.booting):
            if not self._make_room(pool, decision.because, decision.wanted):
                self._decisions.note(Action.HOLD, pool.version, pool.lane, pool.because, wanted=decision.wanted)
                break

    def _make_room(self, pool: Pool, because: str, wanted: int) -> bool:
        """Boot one more instance; False if there is no room, which the pool's sentence then says."""
        version, lane = pool.version, pool.lane
        placement = self._packing.place(
            version,
            lane,
            self._residents(),
            before=self._before(pool),
            trainings=self._options.trainings if lane.train else None,
        )
        pool.claims = isinstance(placement, Evict) or (isinstance(placement, Hold) and placement.coming)
        if isinstance(placement, Boot):
            grant = self._packing.grant(version, lane, placement.gpus)
            host = self._supervisor.boot(version, lane, because, grant, wanted=wanted)
            pool.hosts[host.id] = host
            first = next((t for t in pool.line.heads() if t.live.prediction.phase is Phase.QUEUED), None)
            if first is not None:
                pool.promised[host.id] = first
                self._recorder.step(first.live, Step.BOOT, because, {"instance": host.id, "because": because})
            return True
        pool.because = placement.because
        if isinstance(placement, Never):
            self._never(pool)
            return False
        pool.wants_room = not isinstance(placement, Hold) or placement.room
        self._kept_out[lane.key] = pool
        if isinstance(placement, Hold):
            if pool.proving:
                self.watcher.lane_held(lane, placement.because)
            return False
        victims = [self._supervisor.hosts[id] for id in placement.instances]
        names = ", ".join(dict.fromkeys(victim.version.model for victim in victims))
        stopped = "an idle instance" if len(victims) == 1 else f"{len(victims)} idle instances"
        pool.because = f"{stopped} of {names} {'is' if len(victims) == 1 else 'are'} stopped to make room"
        for victim in victims:
            self._supervisor.end(victim, placement.because, self._options.stop_grace, Action.EVICT)
        return False

    def _never(self, pool: Pool) -> None:
        """No instance of it fits on this machine: whoever waits is told so."""
        because = f"{pool.version.model} {pool.because}."
        if pool.lane.deployment is not None:
            self.watcher.lane_hopeless(pool.lane, because)
        if not pool.hosts:
            self.refuse(pool, because)

    def _residents(self) -> list[Resident]:
        return self._packing.residents(self._supervisor.hosts.values(), self._keeps)

    def _before(self, pool: Pool) -> list[tuple[Version, Lane]]:
        """Who comes before this lane: those for whom room is being made, and the one who has been kept out longest,
        if that is too long already. Else small ones would slip past a large one for ever."""
        now = self._clock.now()
        others = [p for p in self._kept_out.values() if p is not pool and p.wants_room]
        first = max(others, key=lambda p: p.oldest(now), default=None)
        late = first is not None and first.oldest(now) > max(pool.oldest(now), TAKEOVER)
        return [(p.version, p.lane) for p in others if p.claims or (late and p is first)]

    # Whose room

    @property
    def crowded(self) -> bool:
        """Whether any lane waits for room."""
        return bool(self._kept_out)

    def turned_out(self, pool: Pool, host: Host) -> bool:
        """Whether this instance, idle now, was ended because others have been kept out for too long."""
        now = self._clock.now()
        others = [p for p in self._kept_out.values() if p is not pool and p.wants_room]
        if not others or pool.keeps(host):
            return False
        other = max(others, key=lambda p: p.oldest(now))
        serving_for = self._clock.monotonic() - host.ready_since
        if not yields(other.oldest(now), pool.oldest(now), serving_for):
            return False
        if not self._packing.helps(host, other.version, other.lane, self._residents()):
            return False
        because = f"{other.version.model} has waited {other.oldest(now):.0f} s for room"
        self._supervisor.end(host, because, self._options.stop_grace, Action.TAKEOVER)
        return True

    def plan_kept_out(self) -> None:
        """Something may have made room: whoever has waited longest comes first."""
        now = self._clock.now()
        for pool in sorted(self._kept_out.values(), key=lambda p: -p.oldest(now)):
            self.plan(pool)

    def left(self, pool: Pool) -> None:
        """Somebody left its line without a slot: what is booted for nobody ends."""
        if not pool.line and not pool.short:
            self._kept_out.pop(pool.lane.key, None)
        if pool.lane.train:
            booting = [host for host in pool.hosts.values() if host.booting]
            for host in booting[len(pool.line) :]:
                self._supervisor.end(host, "the training that it was started for was canceled", 0)
        self.tidy(pool)

    # What became of an instance

    def ready(self, host: Host) -> Pool:
        pool = self.pools[host.lane.key]
        pool.faults = pool.faults.ready()
        pool.slots = host.slots
        if sum(1 for each in pool.hosts.values() if each.serving) >= pool.asked:
            pool.asked = 0
        took = host.ready_since - host.started_since
        laps = {lap.phase.value: round(lap.seconds, 3) for lap in host.laps(host.ready_since)}
        self.booting(host, {"seconds": round(took, 3), "phases": laps, "because": f"ready after {took:.1f} s"})
        pool.promised.pop(host.id, None)
        if pool.lane.deployment is not None:
            self.watcher.lane_ready(pool.lane)
        return pool

    def failed(self, host: Host, because: str, logs: str) -> Pool:
        """Its setup failed. If the lane has no other instance, those who wait in it are the caller's to fail."""
        pool = self.pools[host.lane.key]
        pool.hosts.pop(host.id, None)
        promised = pool.promised.pop(host.id, None)
        pool.asked = 0
        self._count(pool, pool.faults.setup_failed(), because, logs)
        if pool.lane.deployment is not None:
            self.watcher.lane_failed(pool.lane, pool.faults.setups, because)
        if pool.hosts:
            self._unpromise(promised, "the instance that it waited for failed in its setup")
        return pool

    def booting(self, host: Host, data: dict[str, Any]) -> None:
        """How far the boot of an instance is, for the prediction that it was booted for."""
        pool = self.pools.get(host.lane.key)
        ticket = None if pool is None else pool.promised.get(host.id)
        if ticket is not None and ticket.stage is Stage.WAITING:
            self._recorder.note(ticket.live, Kind.BOOTING, {"instance": host.id, **data})

    def died(self, host: Host, because: str) -> Pool | None:
        """It was lost, or is not fit to serve any more. The lane, if it is given up for that: those who wait in it
        are the caller's to fail."""
        pool = self.pools.get(host.lane.key)
        if pool is None or host.counted:
            return None
        host.counted = True
        because = f"An instance of {host.version.model} died: {because}"
        self._count(pool, pool.faults.died(working=bool(host.running)), because, host.logs)
        return pool if pool.broken is not None else None

    def came_through(self, pool: Pool) -> None:
        """An instance has survived a run."""
        pool.faults, pool.blocked_until = NONE, 0.0

    def _count(self, pool: Pool, faults: Faults, because: str, logs: str) -> None:
        pool.faults = faults
        pool.blocked_until = self._clock.monotonic() + faults.pause
        if faults.broken and pool.broken is None and not any(host.serving for host in pool.hosts.values()):
            failures = max(faults.setups, faults.idle)
            pool.broken = self._breakdowns.add(pool.version, pool.lane, because, logs, failures)
            self._kept_out.pop(pool.lane.key, None)

    def _unpromise(self, ticket: Ticket | None, because: str) -> None:
        if ticket is not None and ticket.stage is Stage.WAITING and ticket.live.prediction.phase is Phase.BOOTING:
            self._recorder.step(ticket.live, Step.RETURN, because, {"because": because})

    def gone(self, host: Host) -> None:
        pool = self.pools.get(host.lane.key)
        if pool is not None:
            pool.hosts.pop(host.id, None)
            self._unpromise(pool.promised.pop(host.id, None), "the instance that it waited for was stopped")
            if pool.line or pool.short:  # whoever has waited longest comes first, in this lane or another
                self._kept_out[pool.lane.key] = pool
            self.tidy(pool)
        self.plan_kept_out()

    def waiting_for(self, host: Host) -> int:
        pool = self.pools.get(host.lane.key)
        return 0 if pool is None else len(pool.line)

    def patience(self, host: Host) -> float:
        pool = self.pools.get(host.lane.key)
        if pool is None:
            return self._options.idle_timeout
        return math.inf if pool.keeps(host) else self.idle_timeout(pool)

    def idle_timeout(self, pool: Pool) -> float:
        scaling = self._scaling(pool)
        own = None if scaling is None else scaling.idle_timeout
        wanted = self._options.idle_timeout if own is None else own
        return min(RETIRED_IDLE, wanted) if pool.retired else wanted

    def max_waiting(self, pool: Pool) -> int | None:
        """How many may wait in its line; None: any number."""
        scaling = self._scaling(pool)
        own = None if scaling is None else scaling.max_waiting
        return self._options.max_waiting if own is None else own

    def _scaling(self, pool: Pool) -> Scaling | None:
        return self._scalings.get(pool.lane.deployment_id or pool.version.model)

    def _keeps(self, host: Host) -> bool:
        pool = self.pools.get(host.lane.key)
        return pool is not None and pool.keeps(host)

    # What people want

    def boot_one(self, lane: Lane, version: Version, most: int) -> None:
        """One more than there are now, whether somebody waits or not, up to `most`; then it ends by being idle."""
        pool = self.pool(version, lane)
        present = sum(1 for host in pool.hosts.values() if host.serving or host.booting)
        pool.asked = min(present + 1, most)
        self._breakdowns.clear(lane.key)
        pool.reset()
        self.plan(pool)
        self.tidy(pool)

    def keep(self, lane: Lane, version: Version, count: int) -> None:
        """So many instances of this lane are kept ready from now on."""
        if count or lane.key in self.pools:
            pool = self.pool(version, lane)
            pool.warm = count
            self._look_again(pool)
            self.plan(pool)
            self.tidy(pool)

    def scale(self, name: str, scaling: Scaling | None) -> None:
        """What is wanted of a deployment (by its id) or model (by its name), but for its warm windows: how long idle
        instances stay, how many may wait. None: as usual."""
        before = self._scalings.pop(name, None)
        if scaling is not None:
            self._scalings[name] = scaling
        if (before and before.idle_timeout) != (scaling and scaling.idle_timeout):
            for pool in list(self.pools.values()):
                if name in (pool.lane.deployment_id, pool.version.model):
                    self._look_again(pool)

    def plan_all(self) -> None:
        """Nothing was planned for a while: everybody is, whoever has waited longest first."""
        now = self._clock.now()
        for pool in sorted(self.pools.values(), key=lambda p: -p.oldest(now)):
            self.plan(pool)

    def lanes(self) -> list[LaneView]:
        """Every lane with somebody in line or an instance, the longest line first."""
        pools = [pool for pool in self.pools.values() if pool.line or pool.hosts or pool.minimum]
        return [self._view(pool) for pool in sorted(pools, key=lambda p: -len(p.line))]

    def _view(self, pool: Pool) -> LaneView:
        load = self.load(pool)
        return lane_view(pool, load, decide(load), self.explain(pool), self.idle_timeout(pool))

    # Bounds of deployments

    def serve(self, lane: Lane, version: Version, *, prove: bool = False) -> None:
        """These are the lane's bounds from now on. `prove`: one instance must become ready in any case."""
        pool = self.pool(version, lane)
        pool.lane, pool.retired, pool.proving = lane, False, prove
        if prove and pool.broken is not None:  # a new release of it: somebody wants it tried again
            self._breakdowns.clear(lane.key)
            pool.reset()
        surplus = len(pool.hosts) - max(lane.maximum or 0, pool.minimum)
        for host in [host for host in pool.hosts.values() if host.free and not host.running][: max(surplus, 0)]:
            self._supervisor.end(host, f"max_instances is {lane.maximum} now", self._options.stop_grace)
        if prove and any(host.serving for host in pool.hosts.values()):  # it served before, and has not ended yet
            self.watcher.lane_ready(lane)
        self._look_again(pool)
        self.plan(pool)
        self.tidy(pool)

    def retire(self, deployment_id: str, but: Collection[str]) -> None:
        """Let every other lane of a deployment end, in its time: who waits in it is served."""
        for pool in self.of_deployment(deployment_id):
            if pool.lane.key not in but:
                pool.retired, pool.proving = True, False
                pool.lane = replace(pool.lane, minimum=0, maximum=max(pool.lane.maximum or 0, 1))
                self._look_again(pool)
                if not pool.line:
                    self._kept_out.pop(pool.lane.key, None)
                    for host in [host for host in pool.hosts.values() if host.booting]:
                        self._supervisor.end(host, "another release takes its place", 0)
                self.tidy(pool)

    def disable(self, pool: Pool) -> None:
        """Nothing may run in this lane any more."""
        pool.retired, pool.proving = True, False
        pool.lane = replace(pool.lane, minimum=0, maximum=0)

    def end_idle(self, pool: Pool, because: str) -> None:
        """End what serves nobody now, and the rest as soon as it has ended its runs."""
        for host in list(pool.hosts.values()):
            if host.booting or not host.running:
                self._supervisor.end(host, because, self._options.stop_grace)
            else:
                self._look_again(pool)
        self.tidy(pool)

    def of_deployment(self, id: str) -> list[Pool]:
        return [pool for pool in self.pools.values() if pool.lane.deployment_id == id]

    def _look_again(self, pool: Pool) -> None:
        for host in list(pool.hosts.values()):
            self._supervisor.look_again(host)
