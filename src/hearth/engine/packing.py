"""Who has how much room: what instances are given, what they were seen to take, and what the next one will need.

Footprints are measured, kept in the store, and grow at once; see `policy.footprint` for every rule, and
`policy.placement` for who goes where.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from hearth.clock import Clock
from hearth.domain.footprint import Footprint, FootprintKey
from hearth.domain.hardware import gpus_of
from hearth.domain.lane import Lane
from hearth.domain.model import Version
from hearth.engine.host import Grant, Host
from hearth.engine.metrics import Metrics
from hearth.engine.tasks import Tasks
from hearth.errors import Shortage
from hearth.policy import footprint as rules
from hearth.policy.placement import Boot, Machine, Need, Placement, alone, attainable, bespoken, helps, place
from hearth.policy.worth import Resident, Uses
from hearth.runtime.base import Usage
from hearth.store.base import Store

log = logging.getLogger(__name__)

UNKNOWN_BOOT = 5.0
"""Seconds, until a boot of the version was timed."""
_SHARED_FOR = 3.0
"""Seconds that a look at what instances share is believed."""
_STEP = 1.02
"""What grew less than this is not stored."""
_LANES = 4096
"""Lanes whose uses are remembered."""


class Starved(NamedTuple):
    because: str
    again: bool
    """The setup before ran out of memory too."""


class Packing:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        machine: Machine,
        names: Sequence[str] = (),
        hardware: Sequence[str] = (),
        unknown: int = 0,
        boot_seconds: Callable[[Version], float | None] = lambda version: None,
        shared: Callable[[], int] = lambda: 0,
        give_up: Callable[[str], None] = lambda environment: None,
    ) -> None:
        """`names`: what CUDA calls each GPU of `machine`. `hardware`: all SKUs; those whose GPUs `machine` does not
        list (Apple's, the operator's own names) are labels, for which nothing is reserved. `unknown`: bytes to reserve
        for a version that nothing is known of. `boot_seconds`: how long its boots take, from history. `shared`: bytes
        that instances have together, beside their own (zygotes); asked now and then. `give_up`: ends that, for an
        instance of an environment which needs the room."""
        self._store, self._clock, self._metrics = store, clock, metrics
        self.machine, self._names, self._unknown = machine, tuple(names), unknown
        kinds = {gpu.sku for gpu in machine.gpus}
        self._labels = {sku for sku in hardware if gpus_of(sku)[1] not in {None, *kinds}}
        self.ceiling = alone(machine)
        self._boot_seconds = boot_seconds
        self._shared, self._shared_bytes, self._shared_at = shared, 0, -math.inf
        self._give_up = give_up
        self._known: dict[FootprintKey, Footprint] = {}
        self._models: dict[tuple[str, str, bool], FootprintKey] = {}
        """The version of a model that was measured last, by model, hardware and whether it trains."""
        self._uses: dict[str, Uses] = {}
        self._starved: set[FootprintKey] = set()
        """Whose latest instance ran out of memory."""
        self._tasks = Tasks()

    async def start(self) -> None:
        for footprint in await self._store.footprints.all():
            self._keep(footprint)

    async def close(self) -> None:
        await self._tasks.join()

    # What is known

    def footprint(self, version: Version, lane: Lane) -> Footprint:
        """What is known of it, if only that nothing is."""
        known = self._known.get(_key(version, lane))
        return known or Footprint(
            version_id=version.id, hardware=lane.hardware, train=lane.train, model=version.model, at=self._clock.now()
        )

    def need(self, version: Version, lane: Lane) -> Need:
        gpus, sku = (0, None) if lane.hardware in self._labels else gpus_of(lane.hardware)
        before = self._models.get((version.model, lane.hardware, lane.train))
        return rules.need(
            self._known.get(_key(version, lane)),
            None if before is None else self._known.get(before),
            version.recipe,
            unknown=self._unknown,
            gpus=gpus,
            sku=sku,
            ceiling=self.ceiling,
        )

    def used(self, lane_key: str) -> None:
        """One more use of a lane."""
        if len(self._uses) >= _LANES and lane_key not in self._uses:
            now = self._clock.monotonic()
            for key in sorted(self._uses, key=lambda k: self._uses[k].counted(now))[: _LANES // 2]:
                del self._uses[key]
        self._uses[lane_key] = self._uses.get(lane_key, Uses()).after(self._clock.monotonic())

    # Who has what

    def reserved(self, host: Host) -> tuple[int, int | None]:
        """Bytes of memory, and of each of its GPUs (None: all of them): what was seen at worst, and no less than it
        takes now; what it was given, while nothing was seen."""
        known = self._known.get(_key(host.version, host.lane))
        memory, gpu = host.grant.memory, host.grant.gpu_memory
        if known is not None and known.memory:
            memory = known.serving if host.serving else max(known.memory, memory)
            if host.grant.gpus and known.gpu:
                gpu = known.gpu
        now = max(host.memory or 0, 0)
        return max(memory, now), None if gpu is None else max(gpu, host.gpu_memory or 0)

    def residents(self, hosts: Iterable[Host], keeps: Callable[[Host], bool]) -> list[Resident]:
        now = self._clock.monotonic()
        found = []
        for host in hosts:
            memory, gpu = self.reserved(host)
            key = host.lane.key
            uses = self._uses.get(key)
            found.append(
                Resident(
                    id=host.id,
                    lane=key,
                    model=host.version.model,
                    busy=len(host.running),
                    serving=host.serving,
                    ending=host.ending,
                    idle=0.0 if host.idle_since is None else now - host.idle_since,
                    kept=keeps(host),
                    train=host.lane.train,
                    memory=memory,
                    gpus=host.grant.gpus,
                    gpu_memory=gpu if host.grant.gpus else 0,
                    boot=self._boot_seconds(host.version) or UNKNOWN_BOOT,
                    uses=0.0 if uses is None else uses.counted(now),
                )
            )
        return found

    def place(
        self,
        version: Version,
        lane: Lane,
        residents: Sequence[Resident],
        *,
        before: Sequence[tuple[Version, Lane]] = (),
        trainings: int | None = None,
    ) -> Placement:
        """Where one more instance goes. `before`: whose room this one may not take, as far as they
        can have it at all."""
        taken = list(residents)
        for other, there in before:
            need = self.need(other, there)
            if attainable(there.key, other.model, need, residents, self.machine):
                taken.append(bespoken(there.key, other.model, need))
        need = self.need(version, lane)
        placement = place(lane.key, version.model, need, taken, self._left(need), trainings=trainings)
        if self._shared_bytes and not isinstance(placement, Boot):
            without = place(lane.key, version.model, need, taken, self.machine, trainings=trainings)
            if isinstance(without, Boot):  # it goes before any instance does
                self._give_up(version.recipe.environment)
                self._shared_at = -math.inf
                return without
        return placement

    def _left(self, need: Need) -> Machine:
        """The machine without what instances share; but nobody is refused for that, it can be given up."""
        memory = self.machine.memory
        now = self._clock.monotonic()
        if memory is None:
            return self.machine
        if now - self._shared_at >= _SHARED_FOR:
            self._shared_bytes, self._shared_at = self._shared(), now
        left = max(memory - self._shared_bytes, min(need.memory, memory))
        return msgspec.structs.replace(self.machine, memory=left)

    def helps(self, host: Host, version: Version, lane: Lane, residents: Sequence[Resident]) -> bool:
        """Whether ending this instance brings another lane nearer to its room."""
        return helps(host.id, lane.key, version.model, self.need(version, lane), residents, self.machine)

    def grant(self, version: Version, lane: Lane, gpus: tuple[int, ...]) -> Grant:
        """What a new instance is given. One without a GPU does not see any."""
        need = self.need(version, lane)
        variables = {}
        if self._names and lane.hardware not in self._labels:
            variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as the driver counts them
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(self._names[index] for index in gpus)
        return Grant(memory=need.memory, gpus=gpus, gpu_memory=need.gpu_memory if gpus else 0, variables=variables)

    # What is seen

    def looked(self, host: Host, usage: Usage, *, setup: bool = False) -> None:
        """After a look at an instance. `setup`: it has just become ready."""
        host.pid, host.memory, host.gpu_memory = usage.pid, usage.memory, usage.gpu
        host.peak = max(host.peak or 0, usage.peak)
        if setup:
            self._starved.discard(_key(host.version, host.lane))
        else:
            host.run_peak = max(host.run_peak, usage.peak)
        host.gpu_peak = max(host.gpu_peak, usage.gpu_peak)
        known = self.footprint(host.version, host.lane)
        self._learn(known, rules.seen(known, memory=usage.peak, gpu=usage.gpu_peak, setup=setup))

    def ended(self, host: Host) -> None:
        """After its whole life: what it was given too much is taken back, bit by bit."""
        if host.run_peak and host.shortage is None:
            known = self.footprint(host.version, host.lane)
            self._learn(known, rules.relaxed(known, run=host.run_peak, gpu=host.gpu_peak))

    def starved(self, host: Host, shortage: Shortage) -> Starved:
        """Memory ran out for it: the next one gets more."""
        setup, key = host.ready_at is None, _key(host.version, host.lane)
        again = setup and key in self._starved
        if host.shortage is None:
            host.shortage = shortage
            if setup:
                self._starved.add(key)
            memory, gpu = self.reserved(host)
            most = self._gpu_most(host) if shortage.gpu else self.ceiling
            had = shortage.had or (memory if not shortage.gpu else int(most) if gpu is None else gpu)
            known = self.footprint(host.version, host.lane)
            after = rules.raised(known, had=had, ceiling=most, gpu=shortage.gpu, setup=setup, again=again)
            self._metrics.out_of_memory.inc()
            self._learn(known, after)
            log.warning(
                "memory ran out for instance %s of %s; the next one gets %d bytes",
                host.id,
                host.version.model,
                after.gpu if shortage.gpu else after.memory,
                extra={"action": "out_of_memory", "instance": host.id, "version": host.version.id},
            )
        return Starved(rules.sentence(had=shortage.had, gpu=shortage.gpu), again)

    def reset(self, version_id: str) -> None:
        """Somebody wants it tried again: what was found to fit never is forgotten."""
        for key in [k for k in self._known if k.version_id == version_id]:
            known = self._known[key]
            if known.memory > self.ceiling:
                self._learn(known, msgspec.structs.replace(known, setup=0, run=0))
                self._starved.discard(key)

    # Sums

    def used_memory(self, hosts: Iterable[Host]) -> int:
        return sum(host.memory or 0 for host in hosts)

    def reserved_memory(self, hosts: Iterable[Host]) -> int:
        return sum(self.reserved(host)[0] for host in hosts)

    def _gpu_most(self, host: Host) -> float:
        return min((gpu.memory for gpu in self.machine.gpus if gpu.index in host.grant.gpus), default=float("inf"))

    def _learn(self, known: Footprint, after: Footprint) -> None:
        if after == known:
            return
        after = msgspec.structs.replace(after, at=self._clock.now())
        self._keep(after)
        grown = any(getattr(after, f) > getattr(known, f) * _STEP for f in ("setup", "run", "gpu"))
        if grown or after.memory < known.memory or after.gpu < known.gpu:
            self._tasks.spawn(self._store.footprints.put(after), f"footprint of {after.version_id}")

    def _keep(self, footprint: Footprint) -> None:
        self._known[footprint.key] = footprint
        if footprint.memory <= self.ceiling:
            self._models[footprint.model, footprint.hardware, footprint.train] = footprint.key


def _key(version: Version, lane: Lane) -> FootprintKey:
    return FootprintKey(version.id, lane.hardware, lane.train)
