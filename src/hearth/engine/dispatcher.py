"""Who runs where: waiting lines, slots, and the decisions of `policy` carried out.

It owns this state alone and never waits: every call runs through, and what takes time is a task that calls
back. On a new prediction:

1. A slot is free and nobody waits: it is given away at once.
2. Else it waits in line, and the policy is asked whether another instance is wanted.
3. There is room: the instance boots. There is an idle one of another version: that one ends first.
4. Else it waits for what comes free: a slot of its version, or the room of any instance.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Collection

from msgspec.structs import replace

from hearth.clock import Clock
from hearth.domain.events import Kind
from hearth.domain.lane import Lane, of_version
from hearth.domain.model import Version
from hearth.domain.prediction import Phase, Step
from hearth.engine.alarms import Alarms
from hearth.engine.host import Host
from hearth.engine.live import Live
from hearth.engine.metrics import Metrics
from hearth.engine.options import EngineOptions
from hearth.engine.pool import Pool
from hearth.engine.recorder import Recorder
from hearth.engine.runner import Runner
from hearth.engine.sentences import with_lines
from hearth.engine.supervisor import Supervisor
from hearth.engine.tasks import Tasks
from hearth.engine.ticket import Cause, Stage, Ticket
from hearth.engine.watcher import Watcher
from hearth.errors import HearthError, SetupFailed
from hearth.policy.autoscale import Load, decide
from hearth.policy.backoff import boot_delay
from hearth.policy.order import place as place_in_line
from hearth.policy.placement import Boot, Evict, Hold, place, yields

log = logging.getLogger(__name__)

_BEFORE_START = {
    Cause.DEADLINE: "its deadline passed before it started",
    Cause.DISABLED: Cause.DISABLED.value,
}
"""Why what waits ends, by cause; canceled on request, else."""

RETIRED_IDLE = 5.0
"""Seconds that an idle instance of a retired lane stays, for predictions that were still sent its way."""


class Dispatcher:
    """`supervisor.Owner`. `runner` and `watcher` are set once, before the first prediction."""

    runner: Runner
    watcher: Watcher

    def __init__(
        self,
        *,
        recorder: Recorder,
        supervisor: Supervisor,
        clock: Clock,
        alarms: Alarms,
        metrics: Metrics,
        options: EngineOptions,
    ) -> None:
        self._recorder, self._supervisor = recorder, supervisor
        self._clock, self._alarms, self._metrics, self._options = clock, alarms, metrics, options
        self._pools: dict[str, Pool] = {}
        self._kept_out: dict[str, Pool] = {}
        """Lanes that want an instance and have no room for it."""
        self._tasks = Tasks()
        self._closed = False
        self.tickets: dict[str, Ticket] = {}

    # Predictions come and go

    def accept(self, live: Live, version: Version, sealed: bytes | None, lane: Lane | None = None) -> None:
        """A prediction that is ours and waits; by default in the version's own lane."""
        pool = self._pools.get(version.id if lane is None else lane.key)
        if pool is None:
            pool = self._pool(version, lane or of_version(version.id))
        ticket = Ticket(live, pool.plan, sealed)
        self.tickets[ticket.id] = ticket
        if pool.lane.maximum == 0:
            self._end_waiting(ticket, Step.CANCEL, Cause.DISABLED.value)
            self._tidy(pool)
            return
        deadline = live.prediction.deadline
        if deadline is not None:
            left = deadline - self._clock.now()
            ticket.deadline = self._alarms.after(left, lambda: self.cancel(ticket.id, Cause.DEADLINE))
        host = pool.free() if not pool.line and not self._closed else None
        if host is not None:
            self._assign(ticket, host)
        else:
            self._wait(pool, ticket)

    def _wait(self, pool: Pool, ticket: Ticket, *, front: bool = False) -> None:
        ticket.stage = Stage.WAITING
        ticket.live.explain = lambda: self._explain(pool, ticket)
        (pool.line.push_front if front else pool.line.push)(ticket.account, ticket.id, ticket)
        self._plan(pool)

    def _explain(self, pool: Pool, ticket: Ticket) -> str:
        if self._closed:
            return "the server is stopping; it runs after the restart"
        kept_out = pool.lane.key in self._kept_out
        because = pool.because if kept_out else decide(self._load(pool)).because
        return f"{place_in_line(pool.line.position(ticket.account, ticket.id))}; {because}"

    def _load(self, pool: Pool) -> Load:
        return pool.load(
            now=self._clock.now(),
            monotonic=self._clock.monotonic(),
            maximum=self._options.max_instances if pool.lane.train else self._options.max_instances_per_version,
        )

    def _assign(self, ticket: Ticket, host: Host) -> None:
        """Give it a slot, and a task for the rest of its life."""
        ticket.host, ticket.instance, ticket.stage = host, host.id, Stage.GIVEN
        ticket.live.explain = None
        self._supervisor.take(host, ticket.id)
        self._metrics.queue_wait.observe(self._clock.now() - ticket.live.prediction.created_at)
        because = "an instance has a free slot"
        self._recorder.step(ticket.live, Step.ASSIGN, because, {"instance": host.id, "because": because})
        ticket.task = self._tasks.spawn(self._work(ticket), f"prediction {ticket.id}")

    async def _work(self, ticket: Ticket) -> None:
        again = False
        try:
            again = await self.runner.run(ticket, self._give)
        finally:
            self._give(ticket, None if not ticket.withdrawn else "its run was broken off")
            ticket.disarm()
            if not again:
                self._forget(ticket)
        if again:
            ticket.task = None
            self._wait(self._pool_of(ticket), ticket, front=True)

    def _give(self, ticket: Ticket, verdict: str | None) -> None:
        host, ticket.host = ticket.host, None
        if host is not None:
            if host.lane.train:
                verdict = verdict or "its training is over"
            self._supervisor.give(host, ticket.id, verdict)
            self._next(host)

    def _forget(self, ticket: Ticket) -> None:
        self.tickets.pop(ticket.id, None)
        if ticket.deadline is not None:
            ticket.deadline.cancel()
        ticket.live.explain = None

    def _pool(self, version: Version, lane: Lane) -> Pool:
        """A prediction that comes late brings bounds of the past: only `serve` says what is kept running."""
        pool = self._pools.get(lane.key)
        if pool is None:
            lane = replace(lane, minimum=0) if lane.minimum else lane
            pool = self._pools[lane.key] = Pool(version, lane)
        return pool

    def _pool_of(self, ticket: Ticket) -> Pool:
        return self._pool(ticket.plan.version, ticket.plan.lane)

    def withdraw(self, prediction_id: str) -> None:
        """It is not ours any more: drop it, and record nothing."""
        ticket = self.tickets.get(prediction_id)
        if ticket is None or ticket.withdrawn:
            return
        ticket.withdrawn = True
        if ticket.stage is Stage.WAITING:
            self._unqueue(ticket)
            self._forget(ticket)
        elif ticket.stage is not Stage.GIVEN and ticket.task is not None:
            ticket.task.cancel()
        self._recorder.release(ticket.live)

    def _unqueue(self, ticket: Ticket) -> None:
        pool = self._pool_of(ticket)
        pool.line.remove(ticket.account, ticket.id)
        if not pool.line and not pool.short:
            self._kept_out.pop(pool.lane.key, None)
        if pool.lane.train:
            booting = [host for host in pool.hosts.values() if host.booting]
            for host in booting[len(pool.line) :]:
                self._supervisor.end(host, "the training that it was started for was canceled", 0)
        self._tidy(pool)

    # Ends that were asked for

    def cancel(self, prediction_id: str, cause: Cause) -> None:
        """Somebody wants it to end; the first cause counts."""
        ticket = self.tickets.get(prediction_id)
        if ticket is None or ticket.cause is not None or ticket.live.finishing:
            return
        ticket.cause = cause
        live = ticket.live
        if cause is Cause.USER:
            live.become(replace(live.prediction, cancel_requested_at=self._clock.now()))
        self._recorder.note(live, Kind.CANCEL_REQUESTED, {"because": cause.value})
        if ticket.stage is Stage.WAITING:
            self._unqueue(ticket)
            aborts = cause is Cause.DEADLINE
            self._end_waiting(
                ticket,
                Step.ABORT if aborts else Step.CANCEL,
                _BEFORE_START.get(cause, "canceled on request before it started"),
            )
        elif ticket.stage is Stage.STAGING and ticket.task is not None:
            ticket.task.cancel()
        elif ticket.stage is Stage.RUNNING:
            self.stop_run(ticket)

    def over_limit(self, ticket: Ticket) -> None:
        self.cancel(ticket.id, Cause.TIME_LIMIT)

    def stop_run(self, ticket: Ticket) -> None:
        """Ask the model to stop; when the grace is over, its instance ends."""
        self._tasks.spawn(self._ask(ticket), f"cancel {ticket.id}")
        if ticket.grace is None:
            ticket.grace = self._alarms.after(self._options.cancel_grace, lambda: self._kill(ticket))

    async def _ask(self, ticket: Ticket) -> None:
        host = ticket.host
        if host is None or host.instance is None:
            return
        try:
            await host.instance.cancel(ticket.id)
        except (HearthError, OSError) as error:
            log.warning(
                "instance %s could not be asked to cancel %s: %s",
                host.id,
                ticket.id,
                error,
                extra={"action": "cancel_failed", "instance": host.id, "prediction": ticket.id},
            )

    def _kill(self, ticket: Ticket) -> None:
        if ticket.host is not None and ticket.stage is Stage.RUNNING:
            ticket.killed = True
            because = f"prediction {ticket.id} did not stop within {self._options.cancel_grace:g} s"
            self._supervisor.end(ticket.host, because, 0)

    def _end_waiting(self, ticket: Ticket, step: Step, because: str = "", error: str | None = None) -> None:
        ticket.stage = Stage.STORING
        ticket.live.explain = None

        async def end() -> None:
            try:
                await self.runner.end_waiting(ticket, step, because, error)
            finally:
                self._forget(ticket)

        ticket.task = self._tasks.spawn(end(), f"prediction {ticket.id}")

    # Instances come and go

    def _plan(self, pool: Pool) -> None:
        """Ask the policy how many instances this lane should have, and start on it."""
        if self._closed or not (pool.line or pool.short):
            return
        load = self._load(pool)
        decision = decide(load)
        if pool.again is not None:
            pool.again.cancel()
            pool.again = None
        if decision.again is not None:
            pool.again = self._alarms.after(decision.again, lambda: self._plan(pool))
        self._kept_out.pop(pool.lane.key, None)
        for _ in range(decision.wanted - load.ready - load.booting):
            if not self._make_room(pool, decision.because):
                break

    def _make_room(self, pool: Pool, because: str) -> bool:
        """Boot one more instance; False if there is no room, which the pool's sentence then says."""
        now = self._clock.monotonic()
        residents = [host.resident(now, self._keeps(host)) for host in self._supervisor.hosts.values()]
        trainings = self._options.trainings if pool.lane.train else None
        placement = place(
            pool.lane.key, pool.version.model, residents, self._options.max_instances, trainings=trainings
        )
        if isinstance(placement, Boot):
            host = self._supervisor.boot(pool.version, pool.lane, because)
            pool.hosts[host.id] = host
            first = next((t for t in pool.line.heads() if t.live.prediction.phase is Phase.QUEUED), None)
            if first is not None:
                pool.promised[host.id] = first
                self._recorder.step(first.live, Step.BOOT, because, {"instance": host.id, "because": because})
            return True
        pool.because = placement.because
        pool.wants_room = not isinstance(placement, Hold) or placement.room
        self._kept_out[pool.lane.key] = pool
        if pool.proving and isinstance(placement, Hold):
            self.watcher.lane_held(pool.lane, placement.because)
        if isinstance(placement, Evict):
            victim = self._supervisor.hosts[placement.instance]
            pool.because = f"an idle instance of {victim.version.model} is stopped to make room"
            self._supervisor.end(victim, placement.because, self._options.stop_grace)
        return False

    def _next(self, host: Host) -> None:
        """A slot came free: the next in line, unless others have been kept out for too long."""
        pool = self._pools.get(host.lane.key)
        if pool is None or self._closed:
            return
        if self._kept_out and host.free and not host.running and self._turned_out(pool, host):
            return
        while pool.line and host.free:
            self._assign(pool.line.pop(), host)
        if host.lane.train and host.free and not host.running:
            self._supervisor.end(host, "no training waits for it", 0)
        if not host.running:
            self._plan_kept_out()

    def _turned_out(self, pool: Pool, host: Host) -> bool:
        now = self._clock.now()
        others = [p for p in self._kept_out.values() if p is not pool and p.wants_room]
        if not others or pool.keeps(host):
            return False
        other = max(others, key=lambda p: p.oldest(now))
        serving_for = self._clock.monotonic() - host.ready_since
        if not yields(other.oldest(now), pool.oldest(now), serving_for):
            return False
        because = f"{other.version.model} has waited {other.oldest(now):.0f} s for room"
        self._supervisor.end(host, because, self._options.stop_grace)
        return True

    def _plan_kept_out(self) -> None:
        now = self._clock.now()
        for pool in sorted(self._kept_out.values(), key=lambda p: -p.oldest(now)):
            self._plan(pool)

    def ready(self, host: Host) -> None:
        pool = self._pools[host.lane.key]
        pool.reset()
        pool.slots = host.slots
        pool.promised.pop(host.id, None)
        if pool.lane.deployment is not None:
            self.watcher.lane_ready(pool.lane)
        self._next(host)
        self._plan(pool)

    def failed(self, host: Host, error: SetupFailed) -> None:
        """Whoever waited for it fails, unless another instance will serve them."""
        pool = self._pools[host.lane.key]
        pool.hosts.pop(host.id, None)
        promised = pool.promised.pop(host.id, None)
        pool.failures += 1
        pool.blocked_until = self._clock.monotonic() + boot_delay(pool.failures)
        if pool.lane.deployment is not None:
            self.watcher.lane_failed(pool.lane, pool.failures, error.message)
        if pool.hosts:
            self._unpromise(promised, "the instance that it waited for failed in its setup")
            return
        text = with_lines(error.message, error.logs)
        for ticket in list(pool.line):
            pool.line.remove(ticket.account, ticket.id)
            self._end_waiting(ticket, Step.FAIL, error=text)

    def _unpromise(self, ticket: Ticket | None, because: str) -> None:
        if ticket is not None and ticket.stage is Stage.WAITING and ticket.live.prediction.phase is Phase.BOOTING:
            self._recorder.step(ticket.live, Step.RETURN, because, {"because": because})

    def gone(self, host: Host) -> None:
        pool = self._pools.get(host.lane.key)
        if pool is not None:
            pool.hosts.pop(host.id, None)
            self._unpromise(pool.promised.pop(host.id, None), "the instance that it waited for was stopped")
            if pool.line or pool.short:  # whoever has waited longest comes first, in this lane or another
                self._kept_out[pool.lane.key] = pool
            self._tidy(pool)
        self._plan_kept_out()

    def waiting_for(self, host: Host) -> int:
        pool = self._pools.get(host.lane.key)
        return 0 if pool is None else len(pool.line)

    def patience(self, host: Host) -> float:
        pool = self._pools.get(host.lane.key)
        if pool is None:
            return self._options.idle_timeout
        if pool.keeps(host):
            return math.inf
        return min(RETIRED_IDLE, self._options.idle_timeout) if pool.retired else self._options.idle_timeout

    def _keeps(self, host: Host) -> bool:
        pool = self._pools.get(host.lane.key)
        return pool is not None and pool.keeps(host)

    def reset(self, version_id: str) -> None:
        """Forget setup failures of a version."""
        for pool in [pool for pool in self._pools.values() if pool.version.id == version_id]:
            pool.reset()
            self._plan(pool)
            self._tidy(pool)

    def _tidy(self, pool: Pool) -> None:
        if pool.idle and self._pools.get(pool.lane.key) is pool:
            if pool.again is not None:
                pool.again.cancel()
            self._pools.pop(pool.lane.key)
            self._kept_out.pop(pool.lane.key, None)

    # Lanes of deployments

    def serve(self, lane: Lane, version: Version, *, prove: bool = False) -> None:
        """These are the lane's bounds from now on. `prove`: one instance must become ready in any case."""
        pool = self._pool(version, lane)
        pool.lane, pool.retired, pool.proving = lane, False, prove
        surplus = len(pool.hosts) - max(lane.maximum or 0, pool.minimum)
        for host in [host for host in pool.hosts.values() if host.free and not host.running][: max(surplus, 0)]:
            self._supervisor.end(host, f"max_instances is {lane.maximum} now", self._options.stop_grace)
        if prove and any(host.serving for host in pool.hosts.values()):  # it served before, and has not ended yet
            self.watcher.lane_ready(lane)
        self._look_again(pool)
        self._plan(pool)
        self._tidy(pool)

    def retire(self, deployment_id: str, but: Collection[str]) -> None:
        """Let every other lane of a deployment end, in its time: who waits in it is served."""
        for pool in self._of_deployment(deployment_id):
            if pool.lane.key not in but:
                pool.retired, pool.proving = True, False
                pool.lane = replace(pool.lane, minimum=0, maximum=max(pool.lane.maximum or 0, 1))
                self._look_again(pool)
                if not pool.line:
                    self._kept_out.pop(pool.lane.key, None)
                    for host in [host for host in pool.hosts.values() if host.booting]:
                        self._supervisor.end(host, "another release takes its place", 0)
                self._tidy(pool)

    def shut(self, deployment_id: str, because: str) -> None:
        """End a deployment's lanes now, and cancel what waits and runs in them."""
        for pool in self._of_deployment(deployment_id):
            pool.retired, pool.proving = True, False
            pool.lane = replace(pool.lane, minimum=0, maximum=0)
            for ticket in [t for t in self.tickets.values() if t.plan.lane.key == pool.lane.key]:
                self.cancel(ticket.id, Cause.DISABLED)
            for host in list(pool.hosts.values()):
                if host.booting or not host.running:
                    self._supervisor.end(host, because, self._options.stop_grace)
                else:
                    self._look_again(pool)
            self._tidy(pool)

    def _of_deployment(self, id: str) -> list[Pool]:
        return [pool for pool in self._pools.values() if pool.lane.deployment_id == id]

    def _look_again(self, pool: Pool) -> None:
        for host in list(pool.hosts.values()):
            self._supervisor.look_again(host)

    # The end of the server

    async def drain(self, timeout: float) -> None:
        """Give no more slots away; wait for what runs, and after `timeout` seconds hand it back."""
        self._closed = True
        sleeper = asyncio.ensure_future(self._clock.sleep(timeout))
        joined = asyncio.ensure_future(self._tasks.join())
        await asyncio.wait([sleeper, joined], return_when=asyncio.FIRST_COMPLETED)
        sleeper.cancel()
        joined.cancel()
        for ticket in list(self.tickets.values()):
            if ticket.live.finishing or ticket.stage in (Stage.WAITING, Stage.STORING):
                continue
            ticket.cause = ticket.cause or Cause.SHUTDOWN
            if ticket.stage is Stage.STAGING and ticket.task is not None:
                ticket.task.cancel()
            elif ticket.stage is Stage.RUNNING and ticket.host is not None:
                self._supervisor.end(ticket.host, "the server is stopping", 0)
        await self._tasks.join()

    def waiting(self) -> int:
        return sum(len(pool.line) for pool in self._pools.values())

    def running(self) -> int:
        return len(self.tickets) - self.waiting()
