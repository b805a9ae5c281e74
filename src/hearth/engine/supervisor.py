"""Instances come and go here. What should be is decided elsewhere; this does it, and tells what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from hearth import ids
from hearth.bus.base import Bus
from hearth.clock import Clock
from hearth.domain.boot import Boot, BootPhase
from hearth.domain.decision import Action
from hearth.domain.instance import InstanceState
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.engine.alarms import Alarms
from hearth.engine.boots import Boots
from hearth.engine.decisions import Notes
from hearth.engine.host import Grant, Host
from hearth.engine.looks import Looks
from hearth.engine.metrics import Metrics
from hearth.engine.options import EngineOptions
from hearth.engine.packing import Packing
from hearth.engine.sources import Sources
from hearth.engine.tasks import Tasks
from hearth.engine.weights import Weights
from hearth.errors import SetupFailed, Shortage
from hearth.policy.autoscale import ends
from hearth.policy.footprint import ran_out
from hearth.runtime.base import Instance, InstanceSpec, Runtime

log = logging.getLogger(__name__)


class Owner(Protocol):
    """Who is told what became of an instance."""

    def phase(self, host: Host, phase: BootPhase) -> None:
        """A phase of its boot begins."""
        ...

    def ready(self, host: Host) -> None: ...
    def failed(self, host: Host, error: SetupFailed) -> None: ...
    def died(self, host: Host, because: str) -> None:
        """It ended by itself; `gone` follows."""
        ...

    def gone(self, host: Host) -> None:
        """Its room is free."""
        ...

    def waiting_for(self, host: Host) -> int:
        """How many predictions wait in its lane: then it is not ended for being idle."""
        ...

    def patience(self, host: Host) -> float:
        """Seconds that it may be idle; infinity for one that is kept."""
        ...


class Supervisor:
    def __init__(
        self,
        *,
        runtime: Runtime,
        sources: Sources,
        weights: Weights,
        bus: Bus,
        decisions: Notes,
        packing: Packing,
        boots: Boots,
        clock: Clock,
        alarms: Alarms,
        metrics: Metrics,
        options: EngineOptions,
    ) -> None:
        self._runtime, self._sources, self._weights, self._bus = runtime, sources, weights, bus
        self._clock, self._alarms, self._metrics, self._options = clock, alarms, metrics, options
        self._decisions = decisions
        self._tasks = Tasks()
        self._showing = False
        self._packing, self._boots = packing, boots
        self._looks = Looks(
            packing=packing,
            alarms=alarms,
            interval=options.usage_interval,
            hosts=lambda: list(self.hosts.values()),
            seen=self._changed,
        )
        self.owner: Owner
        """Set once, before the first boot."""
        self.hosts: dict[str, Host] = {}

    def boot(self, version: Version, lane: Lane, because: str, grant: Grant, *, wanted: int | None = None) -> Host:
        """Start an instance. `ready`, or `failed` and `gone`, follows."""
        host = Host(ids.sortable(), version, lane, because, self._clock.now(), self._clock.monotonic(), grant)
        self.hosts[host.id] = host
        log.info(
            "instance %s of %s boots: %s",
            host.id,
            version.model,
            because,
            extra={"action": "instance_boots", "instance": host.id, "version": version.id},
        )
        self._decisions.note(Action.BOOT, version, lane, because, instance=host.id, wanted=wanted)
        host.task = self._tasks.spawn(self._boot(host), f"boot {host.id}")
        self._changed()
        return host

    async def _boot(self, host: Host) -> None:
        """The runtime watches setup itself; what comes before (files, weights, environment) may take as long again."""
        version, task = host.version, asyncio.current_task()
        assert task is not None
        most, late = 2 * self._options.setup_timeout, False

        def over() -> None:
            nonlocal late
            late = True
            task.cancel()

        deadline = self._alarms.after(most, over)
        try:
            self._phase(host, BootPhase.WEIGHTS)
            folder = await self._sources.materialise(version.recipe.source)
            recipe = await self._weights.placed(version.recipe)
            spec = InstanceSpec(
                id=host.id,
                version_id=version.id,
                model=version.model,
                folder=folder,
                recipe=recipe,
                schema=version.openapi_schema,
                train=host.lane.train,
                setup_timeout=self._options.setup_timeout,
                variables={**self._options.model_environment, **host.grant.variables},
            )
            instance = await self._runtime.start(spec, host.hear, lambda phase: self._phase(host, phase))
            try:
                await self._looks.ready(host, instance)
            except BaseException:
                await instance.stop(0)
                raise
        except asyncio.CancelledError:
            if not late or host.over:
                raise
            task.uncancel()
            text = f"The instance was not ready after {most:g} s: its files or its environment could not be prepared."
            self._boot_failed(host, SetupFailed(text, logs=host.logs))
        except SetupFailed as error:
            self._boot_failed(host, error)
        except Exception as error:
            log.warning(
                "instance %s of %s could not be started",
                host.id,
                version.model,
                exc_info=error,
                extra={"action": "boot_error", "instance": host.id, "version": version.id},
            )
            self._boot_failed(host, SetupFailed(f"The instance could not be started: {error}", logs=host.logs))
        else:
            self._booted(host, instance)
        finally:
            deadline.cancel()

    def _phase(self, host: Host, phase: BootPhase) -> None:
        if host.booting:
            host.begin(phase, self._clock.monotonic())
            if phase in (BootPhase.IMPORT, BootPhase.SETUP):
                self._in_setup(host)
            self._changed()
            self.owner.phase(host, phase)

    def _in_setup(self, host: Host) -> None:
        if host.state is InstanceState.STARTING:
            host.move(InstanceState.SETUP, "the model's setup runs")
            self._changed()

    def _booted(self, host: Host, instance: Instance) -> None:
        if host.over:  # ended while it booted, and the runtime was faster
            self._tasks.spawn(instance.stop(0), f"stop {host.id}")
            return
        self._in_setup(host)
        host.instance, host.slots = instance, max(instance.slots, 1)
        host.ready_at, host.ready_since = self._clock.now(), self._clock.monotonic()
        host.move(InstanceState.READY, f"ready, {instance.how}" if instance.how else "ready")
        self._boots.add(host.version, self._boot_of(host, instance))
        seconds = host.ready_since - host.started_since
        self._metrics.boot_seconds.observe(seconds)
        log.info(
            "instance %s of %s is ready after %.2f s",
            host.id,
            host.version.model,
            seconds,
            extra={"action": "instance_ready", "instance": host.id, "version": host.version.id},
        )
        self._idle(host)
        instance.lost.add_done_callback(lambda lost: self._lost(host, lost))
        self._changed()
        self.owner.ready(host)

    def _boot_of(self, host: Host, instance: Instance) -> Boot:
        return Boot(
            version_id=host.version.id,
            environment=host.version.recipe.environment,
            at=self._clock.now(),
            laps=host.laps(host.ready_since),
            forked=instance.forked,
        )

    def _boot_failed(self, host: Host, error: SetupFailed) -> None:
        if host.over:
            return
        if not host.logs:
            host.hear(error.logs)
        shortage = error.shortage
        if shortage is None and (gpu := ran_out(error.message)) is not None:
            shortage = Shortage(gpu=gpu)
        starved = None if shortage is None else self._packing.starved(host, shortage)
        if starved is not None:
            error = SetupFailed(f"The model's setup failed: {starved.because}.", logs=error.logs)
        host.move(InstanceState.SETUP_FAILED, error.message)
        log.warning(
            "instance %s of %s failed in setup: %s",
            host.id,
            host.version.model,
            error.message,
            extra={"action": "setup_failed", "instance": host.id, "version": host.version.id},
        )
        self._metrics.setup_failures.inc()
        self._decisions.note(Action.FAILED, host.version, host.lane, error.message, instance=host.id)
        self._remove(host)
        if starved is None or starved.again:  # else it is tried again at once, with more room
            self.owner.failed(host, error)
        self.owner.gone(host)

    # Slots

    def take(self, host: Host, prediction_id: str) -> None:
        """Give a free slot away. Raises IllegalTransition if there is none."""
        if len(host.running) >= host.slots or not host.serving:
            raise RuntimeError(f"instance {host.id} has no free slot for {prediction_id}")
        host.running.add(prediction_id)
        host.idle_at = host.idle_since = None
        host.taken_since = self._clock.monotonic()
        self._looks.works(host)
        if len(host.running) == host.slots:
            host.move(InstanceState.BUSY, "every slot is taken")
        self._changed()

    def give(self, host: Host, prediction_id: str, verdict: str | None) -> None:
        """A slot comes back. `verdict` is None for a healthy instance, else why it must not be used again."""
        host.running.discard(prediction_id)
        if host.over or host.state is InstanceState.DRAINING:
            return
        if verdict is not None:
            self.end(host, verdict, 0)
            return
        if host.state is InstanceState.BUSY:
            host.move(InstanceState.READY, "ready")
        if not host.running:
            self._idle(host)
        self._changed()

    def _idle(self, host: Host) -> None:
        host.idle_at, host.idle_since = self._clock.now(), self._clock.monotonic()
        if host.idle_alarm is None:
            wait = min(self.owner.patience(host), self._options.idle_timeout)
            host.idle_alarm = self._alarms.after(wait, lambda: self._idle_over(host))

    def look_again(self, host: Host) -> None:
        """The patience with it may have changed."""
        if host.idle_alarm is not None:
            host.idle_alarm.cancel()
            self._idle_over(host)

    def _idle_over(self, host: Host) -> None:
        """One alarm for an instance, not one for each prediction: if it worked meanwhile, it is set anew."""
        host.idle_alarm = None
        if host.idle_since is None or not host.free:
            return
        timeout = self.owner.patience(host)
        idle = self._clock.monotonic() - host.idle_since
        if ends(idle, timeout, self.owner.waiting_for(host)):
            self.end(host, f"idle for {timeout:g} s", self._options.stop_grace, Action.IDLE)
        else:
            wait = min(timeout - idle if idle < timeout else timeout, self._options.idle_timeout)
            host.idle_alarm = self._alarms.after(wait, lambda: self._idle_over(host))

    # Ends

    def end(self, host: Host, because: str, grace: float, action: Action = Action.STOP) -> None:
        """Stop it. What runs on it fails with InstanceLost."""
        if host.over or host.state is InstanceState.DRAINING:
            return
        self._decisions.note(action, host.version, host.lane, because, instance=host.id)
        log.info(
            "instance %s of %s is stopped: %s",
            host.id,
            host.version.model,
            because,
            extra={"action": "instance_stops", "instance": host.id, "version": host.version.id},
        )
        if host.booting:
            if host.task is not None:
                host.task.cancel()
            host.move(InstanceState.STOPPED, because)
            self._tasks.spawn(self._booting_ended(host), f"end {host.id}")
        else:
            host.move(InstanceState.DRAINING, because)
            host.task = self._tasks.spawn(self._stop(host, grace), f"stop {host.id}")
        self._changed()

    async def _booting_ended(self, host: Host) -> None:
        if host.task is not None:
            await asyncio.wait([host.task])
        self._remove(host)
        self.owner.gone(host)

    async def _stop(self, host: Host, grace: float) -> None:
        assert host.instance is not None
        try:
            await self._looks.last(host)
            await host.instance.stop(grace)
        finally:
            if not host.over:
                host.move(InstanceState.STOPPED, host.because)
            self._remove(host)
            self.owner.gone(host)

    def _lost(self, host: Host, lost: asyncio.Future[str]) -> None:
        """It died by itself; stopping it removes what is left of it."""
        if lost.cancelled() or host.over or host.state is InstanceState.DRAINING:
            return
        host.move(InstanceState.LOST, lost.result())
        log.warning(
            "instance %s of %s is lost: %s",
            host.id,
            host.version.model,
            host.because,
            extra={"action": "instance_lost", "instance": host.id, "version": host.version.id},
        )
        self._metrics.instances_lost.inc()
        self.owner.died(host, host.because)
        self._decisions.note(Action.LOST, host.version, host.lane, host.because, instance=host.id)
        self._changed()
        host.task = self._tasks.spawn(self._stop(host, 0), f"clean up {host.id}")

    def _remove(self, host: Host) -> None:
        self.hosts.pop(host.id, None)
        if host.idle_alarm is not None:
            host.idle_alarm.cancel()
        self._changed()

    async def close(self, because: str) -> None:
        """Stop every instance and wait until nothing is left."""
        for host in list(self.hosts.values()):
            self.end(host, because, self._options.stop_grace if not host.running else 0)
        await self._tasks.join()
        await self._looks.close()
        self._bus.show(())

    # Views

    def _changed(self) -> None:
        """Show the instances, a little later and all changes at once."""
        if not self._showing:
            self._showing = True
            asyncio.get_running_loop().call_later(self._options.show_interval, self._show)

    def _show(self) -> None:
        self._showing = False
        now = self._clock.monotonic()
        self._bus.show(
            [
                host.view(now, self._packing.reserved(host)[0], self._boots.expected(host.version))
                for host in self.hosts.values()
            ]
        )

    def count(self, state: Callable[[Host], bool]) -> int:
        return sum(1 for host in self.hosts.values() if state(host))
