"""The engine as a whole: its parts put together, started and ended in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import assert_never

import msgspec
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.bus.base import (
    BootInstance,
    BuildQueued,
    Bus,
    CancelRequested,
    DeliveryDue,
    DeploymentChanged,
    NewPrediction,
    PauseEngine,
    ResetVersion,
    ResumeEngine,
    ScalingChanged,
    StopInstance,
    VersionDeleted,
    Withdrawn,
    Work,
)
from hearth.clock import Clock
from hearth.domain.decision import Decided
from hearth.domain.model import Version
from hearth.domain.overview import MemoryView, Overview, ZygoteView
from hearth.domain.prediction import Prediction
from hearth.domain.priority import Priority
from hearth.engine.alarms import Alarms
from hearth.engine.batches import Batches
from hearth.engine.boots import Boots
from hearth.engine.breakdowns import Breakdowns
from hearth.engine.builder import Builds
from hearth.engine.checkups import Checkups
from hearth.engine.collector import Collector
from hearth.engine.courier import Courier
from hearth.engine.decisions import Decisions
from hearth.engine.dispatcher import Dispatcher
from hearth.engine.hooks import Render
from hearth.engine.inputs import Inputs, Opener
from hearth.engine.metrics import Metrics
from hearth.engine.options import EngineOptions
from hearth.engine.outputs import Outputs
from hearth.engine.packing import Packing
from hearth.engine.planner import Planner
from hearth.engine.reaper import Reaper
from hearth.engine.recorder import Recorder
from hearth.engine.remover import Remover
from hearth.engine.rollouts import Rollouts
from hearth.engine.run_times import RunTimes
from hearth.engine.runner import Runner
from hearth.engine.sampler import Sampler
from hearth.engine.scaling import Scalings
from hearth.engine.shelf import Shelf
from hearth.engine.showcase import Showcase
from hearth.engine.sources import Sources, digest
from hearth.engine.supervisor import Supervisor
from hearth.engine.tasks import Tasks
from hearth.engine.ticket import Cause
from hearth.engine.trainings import Trainings
from hearth.engine.weights import Weights
from hearth.errors import Unavailable
from hearth.net.base import Fetcher, Sender
from hearth.runtime.base import Builder, Runtime
from hearth.store.base import Store

log = logging.getLogger(__name__)


class Engine:
    """Runs predictions and builds, and sends webhooks, from `start` to `stop`."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        bus: Bus,
        runtime: Runtime,
        builder: Builder,
        fetcher: Fetcher,
        sender: Sender,
        sealer: Opener,
        clock: Clock,
        render: Render,
        learn: Callable[[Version], object] = lambda version: None,
        environments: Shelf | None = None,
        options: EngineOptions,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """`render` makes the body of a webhook; `learn` is told of each version before its predictions are
        rendered. `environments` are those on this disk. The metrics are kept in `registry`."""
        self.owner = ids.sortable()
        """Whose leases these are: a fresh name for each start."""
        self.metrics = Metrics(registry)
        self._store, self._bus, self._runtime, self._options = store, bus, runtime, options
        self._clock = clock
        self._tasks = Tasks()
        self._end: Callable[[], None] = lambda: None
        self._draining = False
        self._alarms = alarms = Alarms(clock)
        self._sources = Sources(options.folder / "sources", blobs)
        self._weights = Weights(options.folder / "weights", store, blobs)
        self._courier = Courier(
            store=store,
            sender=sender,
            sealer=sealer,
            clock=clock,
            alarms=alarms,
            metrics=self.metrics,
            capacity=options.couriers,
        )
        self._recorder = Recorder(
            store=store,
            bus=bus,
            clock=clock,
            alarms=alarms,
            render=render,
            owner=self.owner,
            interval=options.write_interval,
            lost=lambda live: self._dispatcher.withdraw(live.prediction.id),
            due=self._courier.wake,
        )
        self._decisions = Decisions(store=store, clock=clock, alarms=alarms, metrics=self.metrics)
        self._boots, self._times = Boots(store), RunTimes(store)
        self._packing = Packing(
            store=store,
            clock=clock,
            metrics=self.metrics,
            machine=replace(options.machine, instances=options.max_instances),
            names=options.gpu_names,
            hardware=options.hardware,
            unknown=options.unknown_memory,
            boot_seconds=self._boots.expected,
            shared=lambda: sum(zygote.memory for zygote in runtime.zygotes()),
            give_up=self._end_zygotes,
        )
        self._supervisor = Supervisor(
            runtime=runtime,
            sources=self._sources,
            weights=self._weights,
            bus=bus,
            decisions=self._decisions,
            packing=self._packing,
            boots=self._boots,
            clock=clock,
            alarms=alarms,
            metrics=self.metrics,
            options=options,
        )
        self._breakdowns = Breakdowns(store=store, clock=clock)
        self._planner = Planner(
            recorder=self._recorder,
            supervisor=self._supervisor,
            packing=self._packing,
            times=self._times,
            boots=self._boots,
            decisions=self._decisions,
            breakdowns=self._breakdowns,
            clock=clock,
            alarms=alarms,
            options=options,
        )
        self._inputs = Inputs(
            folder=options.folder / "inputs",
            store=store,
            blobs=blobs,
            fetcher=fetcher,
            sealer=sealer,
            limit=options.max_input_file,
        )
        self._dispatcher = Dispatcher(
            recorder=self._recorder,
            supervisor=self._supervisor,
            planner=self._planner,
            batches=Batches(alarms=alarms, metrics=self.metrics, discard=self._inputs.discard),
            times=self._times,
            boot_left=self._boots.remaining,
            clock=clock,
            alarms=alarms,
            metrics=self.metrics,
            options=options,
        )
        self._supervisor.owner = self._dispatcher
        self._rollouts = Rollouts(
            store=store,
            clock=clock,
            planner=self._planner,
            shut=self._dispatcher.shut,
            warm=lambda id: self._scalings.warm(id),
        )
        self._planner.watcher = self._rollouts
        self._scalings = Scalings(
            store=store, clock=clock, alarms=alarms, planner=self._planner, rolled=self._rollouts.changed
        )
        self._sampler = Sampler(
            store=store, clock=clock, supervisor=self._supervisor, planner=self._planner, engine=self.owner
        )
        self._checkups = Checkups(
            supervisor=self._supervisor,
            alarms=alarms,
            interval=options.health_interval,
            died=self._dispatcher.died,
        )
        self._dispatcher.runner = Runner(
            recorder=self._recorder,
            inputs=self._inputs,
            outputs=Outputs(store=store, blobs=blobs, clock=clock, limit=options.max_output_file),
            trainings=Trainings(store=store, clock=clock, stored=lambda id: self._scalings.version_added(id)),
            alarms=alarms,
            metrics=self.metrics,
            packing=self._packing,
            options=options,
            stop=self._dispatcher.ends.stop_run,
            over_limit=self._dispatcher.ends.over_limit,
            examine=self._checkups.after_error,
            ended=self._ended,
        )
        self._builds = Builds(
            store=store,
            bus=bus,
            clock=clock,
            sources=self._sources,
            builder=builder,
            showcase=Showcase(store=store, blobs=blobs, bus=bus, clock=clock, lease=options.lease),
            hardware=options.hardware,
            parallel=options.builds,
            built=self._built,
        )
        self._learn = learn
        self._remover = Remover(
            store=store,
            blobs=blobs,
            clock=clock,
            sources=self._sources,
            cancel=lambda id: self._dispatcher.ends.cancel(id, Cause.USER),
        )
        shelves: dict[str, Shelf] = {"sources": self._sources, "weights": self._weights}
        self._collector = Collector(
            store=store,
            blobs=blobs,
            clock=clock,
            shelves=shelves if environments is None else {**shelves, "environments": environments},
            in_use=self._in_use,
            unused=options.keep_unused,
            retention=options.retention,
        )
        self._reaper = Reaper(
            store=store,
            blobs=blobs,
            clock=clock,
            recorder=self._recorder,
            dispatcher=self._dispatcher,
            times=self._times,
            owner=self.owner,
            options=options,
            learn=learn,
        )
        self._watch()

    async def start(self) -> None:
        """Clear up after an earlier server, take over what it left, then serve."""
        left = await self._runtime.sweep()
        if left:
            log.warning("ended %d processes that an earlier server left", left, extra={"action": "swept_processes"})
        await asyncio.to_thread(self._options.folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(self._sources.sweep)
        await asyncio.to_thread(self._weights.sweep)
        await asyncio.to_thread(self._inputs.sweep)
        self._tasks.spawn(self._alarms.run(), "alarms")
        await self._decisions.start()
        await self._packing.start()
        await self._breakdowns.start()
        self._end = self._bus.serve(self.owner, self.handle, self)
        await self._rollouts.start()
        await self._scalings.start()
        await self._reaper.start()
        self._tasks.spawn(self._reaper.run(), "reaper")
        self._tasks.spawn(self._remover.run(), "remover")
        self._tasks.spawn(self._collector.run(), "collector")
        self._tasks.spawn(self._sampler.run(), "sampler")
        self._tasks.spawn(self._courier.run(), "courier")
        self._courier.wake()
        self._checkups.start()
        await self._builds.start()
        log.info("engine %s serves", self.owner, extra={"action": "engine_serves"})

    def handle(self, work: Work) -> None:
        """One thing to do, from the bus."""
        match work:
            case NewPrediction():
                self._learn(work.version)
                live = self._recorder.open(work.prediction)
                self._dispatcher.accept(live, work.version, work.secrets, work.lane)
            case Withdrawn():
                self._dispatcher.withdraw(work.prediction_id)
            case CancelRequested():
                cause = Cause.DEADLINE if work.because == Cause.DEADLINE.value else Cause.USER
                self._dispatcher.ends.cancel(work.prediction_id, cause, work.by)
            case BuildQueued():
                self._builds.add(work.build_id)
            case DeliveryDue():
                self._courier.wake()
            case ResetVersion():
                self._planner.reset(work.version_id)
            case VersionDeleted():
                self._remover.wake()
                self._scalings.version_gone(work.version_id)
            case DeploymentChanged():
                self._rollouts.changed(work.deployment_id)
            case ScalingChanged():
                self._scalings.changed(work.target)
            case BootInstance():
                most = work.lane.maximum or self._options.max_instances_per_version
                self._planner.boot_one(work.lane, work.version, most)
            case StopInstance():
                self._dispatcher.stop_instance(work.instance_id, work.because)
            case PauseEngine():
                self._dispatcher.pause(work.because)
            case ResumeEngine():
                self._dispatcher.resume()
            case _:
                assert_never(work)

    def _built(self, version_id: str) -> None:
        self._planner.reset(version_id)
        self._scalings.version_added(version_id)

    # How it is doing: `bus.base.Desk`

    def overview(self) -> Overview:
        hosts, zygotes = self._supervisor.hosts.values(), self._runtime.zygotes()
        return Overview(
            at=self._clock.now(),
            paused=self._dispatcher.paused,
            lanes=tuple(self._planner.lanes()),
            memory=MemoryView(
                budget=self._packing.machine.memory,
                reserved=self._packing.reserved_memory(hosts),
                used=self._packing.used_memory(hosts),
                zygotes=sum(zygote.memory for zygote in zygotes),
            ),
            zygotes=tuple(ZygoteView(**msgspec.structs.asdict(zygote)) for zygote in zygotes),
            broken=tuple(self._breakdowns.all()),
        )

    def decisions(self, limit: int) -> list[Decided]:
        return self._decisions.latest(limit)

    def full(self, lane: str, priority: Priority) -> float | None:
        """Seconds until there may be room in the line of a lane for one more; None if there is."""
        return self._dispatcher.full(lane, priority)

    def _ended(self, prediction: Prediction) -> None:
        self._sampler.ended(prediction)
        self._times.ended(prediction)

    def ready(self) -> None:
        """Raises Unavailable, with the reason, while the engine cannot do its work."""
        if self._draining:
            raise Unavailable("The server is stopping.")
        if self._dispatcher.paused is not None:
            raise Unavailable(f"The server is paused: {self._dispatcher.paused}.")
        if self._recorder.trouble is not None:
            raise Unavailable(f"The store refuses writes: {self._recorder.trouble}")

    async def drain(self, timeout: float) -> None:
        """Start nothing new, let what runs go on for up to `timeout` seconds, then put the rest back in line."""
        self._draining = True
        await self._dispatcher.drain(timeout)

    async def stop(self) -> None:
        """End everything; predictions that have not ended are left in the queue for the next start."""
        if not self._draining:
            await self.drain(0)
        self._end()
        await self._builds.close()
        await self._checkups.close()
        await self._rollouts.close()
        await self._scalings.close()
        await self._supervisor.close("the server is stopping")
        await self._runtime.close()
        await self._boots.close()
        tickets = list(self._dispatcher.tickets.values())
        if tickets:
            settled = [asyncio.ensure_future(self._recorder.settled(ticket.live)) for ticket in tickets]
            _, late = await asyncio.wait(settled, timeout=5)
            for task in late:
                task.cancel()
        for ticket in tickets:
            self._recorder.release(ticket.live)
        await self._tasks.close()
        await self._courier.close()
        await self._times.close()
        await self._decisions.close()
        await self._packing.close()
        await self._breakdowns.close()
        log.info("engine %s has stopped", self.owner, extra={"action": "engine_stopped"})

    def _end_zygotes(self, environment: str) -> None:
        """Their memory is wanted for an instance of this one: those of others, or if there are none its own."""
        found = self._runtime.zygotes()
        for zygote in [z for z in found if z.environment != environment] or found:
            self._tasks.spawn(self._runtime.end_zygote(zygote.id), f"end {zygote.id}")

    def _in_use(self) -> dict[str, set[str]]:
        """What of each shelf instances and zygotes have just now."""
        recipes = [host.version.recipe for host in self._supervisor.hosts.values()]
        zygotes = {zygote.environment for zygote in self._runtime.zygotes()}
        return {
            "environments": {recipe.environment for recipe in recipes} | zygotes,
            "sources": {digest(recipe.source) for recipe in recipes},
            "weights": {self._weights.name(recipe) for recipe in recipes},
        }

    def _watch(self) -> None:
        metrics, dispatcher, supervisor = self.metrics, self._dispatcher, self._supervisor
        for priority in Priority:
            metrics.watch_depth(priority, partial(dispatcher.depth, priority))
        metrics.watch("hearth_predictions_running", "Have a slot.", dispatcher.running)
        metrics.watch_lanes(self._planner.lanes)
        metrics.watch("hearth_lanes_broken", "Given up.", lambda: len(self._breakdowns.all()))
        metrics.watch("hearth_store_trouble", "The store refuses writes.", lambda: self._recorder.trouble is not None)
        hosts = supervisor.hosts.values
        metrics.watch_memory("budget", lambda: self._packing.machine.memory or 0)
        metrics.watch_memory("reserved", lambda: self._packing.reserved_memory(hosts()))
        metrics.watch_memory("used", lambda: self._packing.used_memory(hosts()))
        metrics.watch_memory("zygotes", lambda: sum(zygote.memory for zygote in self._runtime.zygotes()))
        metrics.watch_instances("booting", lambda: supervisor.count(lambda h: h.booting))
        metrics.watch_instances("ready", lambda: supervisor.count(lambda h: h.free))
        metrics.watch_instances("busy", lambda: supervisor.count(lambda h: h.serving and not h.free))
        metrics.watch_instances("ending", lambda: supervisor.count(lambda h: not h.serving and not h.booting))
