"""Predictions come and go here: in line, into a slot, out of it, and to an end that somebody asked for.

It owns the tickets alone and never waits: every call runs through, and what takes time is a task that calls
back. On a new prediction:

1. A slot is free and nobody waits: it is given away at once.
2. Else it waits in line, and the planner is asked whether another instance is wanted.
3. A slot comes free: the next in line has it, unless another lane has been kept out for too long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hearth.clock import Clock
from hearth.domain.boot import DOES, BootPhase
from hearth.domain.lane import Lane, of_version
from hearth.domain.model import Version
from hearth.domain.prediction import Place, Step
from hearth.domain.priority import Priority
from hearth.engine.alarms import Alarms
from hearth.engine.batches import Batches, kin
from hearth.engine.ends import Ends
from hearth.engine.host import Host
from hearth.engine.live import Live
from hearth.engine.metrics import Metrics
from hearth.engine.options import EngineOptions
from hearth.engine.places import Places
from hearth.engine.planner import Planner
from hearth.engine.pool import Pool
from hearth.engine.recorder import Recorder
from hearth.engine.run_times import RunTimes
from hearth.engine.runner import Runner
from hearth.engine.sentences import with_lines
from hearth.engine.supervisor import Supervisor
from hearth.engine.tasks import Tasks
from hearth.engine.ticket import Cause, Stage, Ticket
from hearth.errors import SetupFailed
from hearth.policy.faults import NONE

log = logging.getLogger(__name__)

_COME_AGAIN = 5.0
"""Seconds after which there may be room, where nobody can tell."""


class Dispatcher:
    """`supervisor.Owner`. `runner` is set once, before the first prediction."""

    runner: Runner

    def __init__(
        self,
        *,
        recorder: Recorder,
        supervisor: Supervisor,
        planner: Planner,
        batches: Batches,
        times: RunTimes,
        boot_left: Callable[[Version, float], float | None],
        clock: Clock,
        alarms: Alarms,
        metrics: Metrics,
        options: EngineOptions,
    ) -> None:
        self._recorder, self._supervisor, self._planner = recorder, supervisor, planner
        self._batches, self._times = batches, times
        self._clock, self._alarms, self._metrics, self._options = clock, alarms, metrics, options
        self._tasks = Tasks()
        self._closed = False
        self._paused: str | None = None
        self.tickets: dict[str, Ticket] = {}
        self.ends = Ends(
            tickets=self.tickets,
            tasks=self._tasks,
            recorder=recorder,
            supervisor=supervisor,
            clock=clock,
            alarms=alarms,
            grace=options.cancel_grace,
            end_waiting=self._left,
        )
        planner.refuse = self._refuse
        self._places = Places(
            planner=planner,
            supervisor=supervisor,
            times=times,
            clock=clock,
            tickets=self.tickets,
            boot_left=boot_left,
        )

    # Predictions come and go

    def accept(self, live: Live, version: Version, sealed: bytes | None, lane: Lane | None = None) -> None:
        """A prediction that is ours and waits; by default in the version's own lane."""
        pool = self._planner.pools.get(version.id if lane is None else lane.key)
        if pool is None or (lane is not None and lane.release > pool.lane.release):
            pool = self._planner.pool(version, lane or of_version(version.id))
        ticket = Ticket(live, pool.plan, sealed)
        self.tickets[ticket.id] = ticket
        self._planner.wanted(pool)
        if pool.lane.maximum == 0:
            self._end_waiting(ticket, Step.CANCEL, Cause.DISABLED.value)
            self._planner.tidy(pool)
            return
        if (early := self.ends.early(ticket.id)) is not None:
            self._end_early(pool, ticket, *early)
            return
        deadline = live.prediction.deadline
        if deadline is not None:
            left = deadline - self._clock.now()
            if left <= 0:
                self._end_early(pool, ticket, Cause.DEADLINE, None)
                return
            ticket.deadline = self._alarms.after(left, lambda: self.ends.cancel(ticket.id, Cause.DEADLINE))
        priority = live.prediction.priority
        if priority is Priority.INTERACTIVE:
            pool.interactive_at = max(pool.interactive_at, live.prediction.created_at)
        host = pool.free() if pool.gathering is None and not pool.line and not self._closed else None
        if host is not None and (priority is not Priority.BATCH or pool.open_to_batch(self._clock.now())):
            self._assign(ticket, host)
        else:
            self._wait(pool, ticket)

    def _end_early(self, pool: Pool, ticket: Ticket, cause: Cause, by: str | None) -> None:
        """Its end was asked for before it came."""
        ticket.live.explain = None
        pool.join(ticket, self._clock.now())
        self.ends.cancel(ticket.id, cause, by)

    def _wait(self, pool: Pool, ticket: Ticket, *, front: bool = False) -> None:
        if pool.broken is not None:
            self._end_waiting(ticket, Step.FAIL, error=with_lines(pool.broken.sentence, pool.broken.logs))
            return
        ticket.stage = Stage.WAITING
        ticket.live.explain = lambda: self._explain(pool, ticket)
        self._times.want(pool.version.id, pool.lane.train)
        pool.join(ticket, self._clock.now(), front=front)
        if pool.gathering is not None:
            self._gather(pool, ticket, again=front)
            if ticket.stage is not Stage.WAITING or (pool.free() is not None and not self._closed):
                return
        else:
            self._serve(pool)
            if ticket.stage is not Stage.WAITING:
                return
        self._planner.plan(pool)

    def _serve(self, pool: Pool) -> None:
        """Who waits into free slots, each by itself."""
        while not self._closed and (host := pool.free()) is not None and (ticket := self._called(pool)) is not None:
            self._assign(ticket, host)

    def _called(self, pool: Pool) -> Ticket | None:
        """The next in line, unless the slot is kept for more urgent work; then it is asked again in time."""
        now = self._clock.now()
        ticket = pool.next(now)
        if ticket is None and pool.opening is None and (wait := pool.opens(now)) is not None:
            pool.opening = self._alarms.after(wait, lambda: self._opened(pool))
        return ticket

    def _opened(self, pool: Pool) -> None:
        pool.opening = None
        if pool.gathering is not None:
            self._fill(pool)
        else:
            self._serve(pool)

    def _explain(self, pool: Pool, ticket: Ticket) -> Place:
        if self._closed:
            stopping = "the server is stopping; it runs after the restart"
            reason = stopping if self._paused is None else f"the server is paused: {self._paused}"
            ahead = pool.line.position(ticket.id, self._clock.now())
            return Place(ahead=ahead, starts_at=None, because=reason)
        because: str | None = None
        if pool.free() is not None:
            because = "the free slot is kept for interactive work"
            if pool.gathering is not None and pool.opening is None:
                because = f"it waits up to {pool.gathering.max_wait:g} s for others to run with"
        return self._places.of(pool, ticket, because)

    # Groups

    def _gather(self, pool: Pool, ticket: Ticket, *, again: bool) -> None:
        """It waits for a slot, and for others to share it with."""
        assert pool.gathering is not None
        assert pool.batching is not None
        key = kin(ticket, pool.batching)
        if again:
            pool.gathering.rejoin(ticket.id, key, ticket)
        else:
            pool.gathering.join(ticket.id, key, ticket, self._clock.monotonic())
        self._fill(pool)

    def _fill(self, pool: Pool) -> None:
        """Groups into free slots: those that are due now, the others when they are."""
        gathering = pool.gathering
        while gathering is not None and not self._closed and (host := pool.free()) is not None:
            delay = gathering.delay(self._clock.monotonic())
            if delay:
                if pool.meeting is None:
                    pool.meeting = self._alarms.after(delay, lambda: self._met(pool))
                return
            if delay is None or (first := self._called(pool)) is None:
                return
            self._assign_group(pool, host, gathering.take(first.id))

    def _met(self, pool: Pool) -> None:
        pool.meeting = None
        self._fill(pool)

    def _assign_group(self, pool: Pool, host: Host, members: list[Ticket]) -> None:
        """One slot for all of them."""
        assert pool.batching is not None
        group = self._batches.group(host, members, pool.batching)
        self._supervisor.take(host, group.id)
        for ticket in members:
            pool.line.remove(ticket.id)
            self._assign(ticket, host)

    def _assign(self, ticket: Ticket, host: Host) -> None:
        """Give it a slot, or its part of a group's, and a task for the rest of its life."""
        ticket.host, ticket.instance, ticket.stage = host, host.id, Stage.GIVEN
        ticket.live.explain = None
        self._planner.pools[host.lane.key].line.took(ticket.account, ticket.id, ticket.live.prediction.priority)
        if ticket.seat is None:
            self._supervisor.take(host, ticket.id)
        prediction = ticket.live.prediction
        self._metrics.queue_wait[prediction.priority].observe(self._clock.now() - prediction.created_at)
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
        if host is None:
            return
        pool = self._planner.pools.get(host.lane.key)
        if pool is not None:
            pool.line.ended(ticket.id)
        self._judge(ticket, host, pool, verdict)
        holder, seat = ticket.id, ticket.seat
        if seat is not None:
            ticket.seat, holder = None, seat.group.id
            if not seat.leave() and verdict is None:
                return  # others of its group are not done
            host.groups.pop(holder, None)
        if host.lane.train:
            verdict = verdict or "its training is over"
        self._supervisor.give(host, holder, verdict)
        self._next(host)

    def _judge(self, ticket: Ticket, host: Host, pool: Pool | None, verdict: str | None) -> None:
        """What the end of a run says of its lane's instances."""
        if verdict is not None and host.serving and not ticket.withdrawn:
            self.died(host, verdict)
        elif verdict is None and ticket.started and pool is not None and pool.faults is not NONE:
            self._planner.came_through(pool)

    def _forget(self, ticket: Ticket) -> None:
        self.tickets.pop(ticket.id, None)
        if ticket.deadline is not None:
            ticket.deadline.cancel()
        ticket.live.explain = None

    def _pool_of(self, ticket: Ticket) -> Pool:
        return self._planner.pool(ticket.plan.version, ticket.plan.lane)

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
        pool.leave(ticket)
        self._planner.left(pool)

    # Ends

    def _left(self, ticket: Ticket, step: Step, because: str) -> None:
        """It waits no more: its end was asked for."""
        self._unqueue(ticket)
        self._end_waiting(ticket, step, because)

    def _end_waiting(self, ticket: Ticket, step: Step, because: str = "", error: str | None = None) -> None:
        ticket.stage = Stage.ENDING
        ticket.live.explain = None

        async def end() -> None:
            try:
                await self.runner.end_waiting(ticket, step, because, error)
            finally:
                self._forget(ticket)

        ticket.task = self._tasks.spawn(end(), f"prediction {ticket.id}")

    # Instances come and go

    def _next(self, host: Host) -> None:
        """A slot came free: the next in line, unless others have been kept out for too long."""
        pool = self._planner.pools.get(host.lane.key)
        if pool is None or self._closed:
            return
        if self._planner.crowded and host.free and not host.running and self._planner.turned_out(pool, host):
            return
        if pool.gathering is not None:
            self._fill(pool)
        while pool.gathering is None and pool.line and host.free and (ticket := self._called(pool)) is not None:
            self._assign(ticket, host)
        if host.lane.train and host.free and not host.running:
            self._supervisor.end(host, "no training waits for it", 0)
        if not host.running:
            self._planner.plan_kept_out()

    def phase(self, host: Host, phase: BootPhase) -> None:
        self._planner.booting(host, {"phase": phase.value, "because": DOES[phase]})

    def ready(self, host: Host) -> None:
        pool = self._planner.ready(host)
        self._next(host)
        self._planner.plan(pool)

    def failed(self, host: Host, error: SetupFailed) -> None:
        """Whoever waited for it fails, unless another instance will serve them."""
        pool = self._planner.failed(host, error.message, error.logs)
        if pool.broken is not None:
            self._refuse(pool, with_lines(pool.broken.sentence, pool.broken.logs))
        elif not pool.hosts:
            self._refuse(pool, with_lines(error.message, error.logs))

    def died(self, host: Host, because: str) -> None:
        """Whoever waits fails, if its lane is given up for that."""
        pool = self._planner.died(host, because)
        if pool is not None and pool.broken is not None:
            self._refuse(pool, with_lines(pool.broken.sentence, pool.broken.logs))

    def _refuse(self, pool: Pool, error: str) -> None:
        """Fail everybody who waits in it."""
        for ticket in list(pool.line):
            pool.leave(ticket)
            self._end_waiting(ticket, Step.FAIL, error=error)

    def gone(self, host: Host) -> None:
        self._planner.gone(host)

    def waiting_for(self, host: Host) -> int:
        return self._planner.waiting_for(host)

    def patience(self, host: Host) -> float:
        return self._planner.patience(host)

    def shut(self, deployment_id: str, because: str, release: float) -> None:
        """End a deployment's lanes now, and cancel what waits and runs in them; what came for a later release stays."""
        pools = [pool for pool in self._planner.of_deployment(deployment_id) if pool.lane.release <= release]
        for pool in pools:
            self._planner.disable(pool)
        for ticket in list(self.tickets.values()):
            lane = ticket.plan.lane
            if lane.deployment_id == deployment_id and lane.release <= release:
                self.ends.cancel(ticket.id, Cause.DISABLED)
        for pool in pools:
            self._planner.end_idle(pool, because)

    def stop_instance(self, instance_id: str, because: str) -> None:
        """Somebody wants it to end: politely if it is idle, at once if something runs on it."""
        host = self._supervisor.hosts.get(instance_id)
        if host is not None:
            self._supervisor.end(host, because, 0 if host.running else self._options.stop_grace)

    # A pause, and the end of the server

    @property
    def paused(self) -> str | None:
        """Why nothing new is started, if somebody wants it so."""
        return self._paused

    def pause(self, because: str) -> None:
        """Give no more slots away and boot nothing; what runs goes on."""
        if not self._closed:
            self._paused = because
            self._closed = self._planner.closed = True

    def resume(self) -> None:
        """Go on as if nothing had been."""
        if self._paused is None:
            return
        self._paused = None
        self._closed = self._planner.closed = False
        for host in list(self._supervisor.hosts.values()):
            if host.free:
                self._next(host)
        self._planner.plan_all()

    async def drain(self, timeout: float) -> None:
        """Give no more slots away; wait for what runs, and after `timeout` seconds hand it back."""
        self._paused, self._closed, self._planner.closed = None, True, True
        sleeper = asyncio.ensure_future(self._clock.sleep(timeout))
        joined = asyncio.ensure_future(self._tasks.join())
        await asyncio.wait([sleeper, joined], return_when=asyncio.FIRST_COMPLETED)
        sleeper.cancel()
        joined.cancel()
        for ticket in list(self.tickets.values()):
            if ticket.live.finishing or ticket.stage in (Stage.WAITING, Stage.STORING, Stage.ENDING):
                continue
            ticket.cause = ticket.cause or Cause.SHUTDOWN
            if ticket.stage is Stage.STAGING and ticket.task is not None:
                ticket.task.cancel()
            elif ticket.stage is Stage.RUNNING and ticket.host is not None:
                self._supervisor.end(ticket.host, "the server is stopping", 0)
        await self._tasks.join()
        await self._batches.join()

    def full(self, lane: str, priority: Priority) -> float | None:
        """Seconds until there may be room in a line for one more; None if there is, for what is less urgent does not
        count."""
        pool = self._planner.pools.get(lane)
        most = None if pool is None else self._planner.max_waiting(pool)
        if most is None or pool is None or pool.line.within(priority) < most:
            return None
        self._metrics.refused[priority].inc()
        return self._places.soon(pool) or _COME_AGAIN

    def depth(self, priority: Priority) -> int:
        return sum(pool.line.depth(priority) for pool in self._planner.pools.values())

    def waiting(self) -> int:
        return sum(len(pool.line) for pool in self._planner.pools.values())

    def running(self) -> int:
        return len(self.tickets) - self.waiting()
