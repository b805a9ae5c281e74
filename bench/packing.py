"""`python -m bench packing [--quick] [--live]`: 200 models on a machine in whose memory 10 of them fit, by Zipf's law.

The decisions are the server's own (`policy.placement.place`), in virtual time, beside plain LRU: the same loop, but
whoever has been idle longest goes until the newcomer fits. Models differ in size, in the time they take to boot (some
as their size would have it, some not: a small model may compile for a minute) and in the length of their runs.
`--live` also runs a server on this machine, and the simulation of the same requests beside it.
"""

from __future__ import annotations

import heapq
import os
import random
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench import packing_live, results
from hearth.policy.placement import Boot, Evict, Hold, Machine, Need, Placement, place
from hearth.policy.worth import Resident, Uses

MODELS, FIT = 200, 10
GB = 10**9
Place = Callable[[str, str, Need, Sequence[Resident], Machine], Placement]


class Kind(msgspec.Struct, frozen=True):
    """A model."""

    name: str
    memory: int
    boot: float
    run: float


class Request(msgspec.Struct, frozen=True):
    at: float
    model: int
    run: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    hits: float
    """Share of the requests that met an instance which served already."""
    p50: float
    p99: float
    mean: float
    boots: int
    evictions: int


def models(seed: int, alike: bool) -> list[Kind]:
    """`alike`: all of one size and one boot time, where LRU has nothing to learn from us."""
    rng = random.Random(seed)
    found = []
    for number in range(MODELS):
        memory = 2 * GB if alike else int(GB * min(max(rng.lognormvariate(0.3, 0.9), 0.1), 12))
        boot = 10.0 if alike else min(max(rng.lognormvariate(1.8, 1.0), 0.5), 120) * (0.5 + memory / (4 * GB))
        found.append(Kind(f"bench/model-{number}", memory, boot, rng.uniform(0.2, 3)))
    return found


def requests(kinds: Sequence[Kind], seed: int, number: int, rate: float, exponent: float) -> list[Request]:
    """Poisson in time, Zipf over models, whose ranks are not in the order of their sizes."""
    rng = random.Random(seed + 1)
    weights = [1 / (rank + 1) ** exponent for rank in range(len(kinds))]
    ranked = list(range(len(kinds)))
    rng.shuffle(ranked)
    at = 0.0
    found = []
    for model in rng.choices(ranked, weights, k=number):
        at += rng.expovariate(rate)
        found.append(Request(at, model, rng.expovariate(1 / kinds[model].run)))
    return found


def lru(lane: str, model: str, need: Need, residents: Sequence[Resident], machine: Machine) -> Placement:
    """Whoever has been idle longest goes, until the newcomer fits; all or none."""
    free = (machine.memory or 0) - sum(r.memory for r in residents)
    if free >= need.memory:
        return Boot()
    if free + sum(r.memory for r in residents if r.ending) >= need.memory:
        return Hold("room comes free")
    gone = []
    for resident in sorted((r for r in residents if r.serving and not r.busy), key=lambda r: -r.idle):
        gone.append(resident.id)
        free += resident.memory
        if free >= need.memory:
            return Evict(tuple(gone), "the longest idle")
    return Hold("all are busy")


class _Instance:
    def __init__(self, model: int, kind: Kind) -> None:
        self.model, self.kind = model, kind
        self.ready = self.busy = False
        self.idle_since = 0.0


class Simulation:
    """One instance a model at most, one request at a time on each; the longest wait comes first."""

    def __init__(self, kinds: Sequence[Kind], arrivals: Sequence[Request], machine: Machine, choose: Place) -> None:
        self._kinds, self._arrivals, self._machine, self._choose = kinds, arrivals, machine, choose
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._instances: dict[int, _Instance] = {}
        self._waiting: dict[int, deque[Request]] = {}
        self._uses: dict[int, Uses] = {}
        self._waits: list[float] = []
        self._hits = self._boots = self._evictions = 0

    def run(self) -> Result:
        for request in self._arrivals:
            self._at(request.at, lambda request=request: self._arrive(request))
        while self._events:
            self._now, _, act = heapq.heappop(self._events)
            act()
        assert len(self._waits) == len(self._arrivals)
        waits = sorted(self._waits)
        return Result(
            hits=self._hits / len(waits),
            p50=waits[len(waits) // 2],
            p99=waits[int(len(waits) * 0.99)],
            mean=statistics.fmean(waits),
            boots=self._boots,
            evictions=self._evictions,
        )

    def _at(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), act))

    def _arrive(self, request: Request) -> None:
        self._uses[request.model] = self._uses.get(request.model, Uses()).after(self._now)
        instance = self._instances.get(request.model)
        self._hits += instance is not None and instance.ready
        self._waiting.setdefault(request.model, deque()).append(request)
        self._serve(request.model)
        if instance is None:
            self._plan()

    def _serve(self, model: int) -> None:
        instance, line = self._instances.get(model), self._waiting.get(model)
        if instance is None or not instance.ready or instance.busy or not line:
            return
        request = line.popleft()
        if not line:
            del self._waiting[model]
        instance.busy = True
        self._waits.append(self._now - request.at)
        self._at(self._now + request.run, lambda: self._done(instance))

    def _done(self, instance: _Instance) -> None:
        instance.busy, instance.idle_since = False, self._now
        self._serve(instance.model)
        if not instance.busy:
            self._plan()

    def _plan(self) -> None:
        missing = [model for model in self._waiting if model not in self._instances]
        for model in sorted(missing, key=lambda m: self._waiting[m][0].at):
            kind = self._kinds[model]
            residents = [self._resident(i) for i in self._instances.values()]
            placement = self._choose(str(model), kind.name, Need(memory=kind.memory), residents, self._machine)
            if isinstance(placement, Evict):
                for id in placement.instances:
                    del self._instances[int(id)]
                self._evictions += len(placement.instances)
            elif not isinstance(placement, Boot):
                continue
            self._boots += 1
            self._instances[model] = instance = _Instance(model, kind)
            self._at(self._now + kind.boot, lambda instance=instance: self._ready(instance))

    def _ready(self, instance: _Instance) -> None:
        instance.ready, instance.idle_since = True, self._now
        self._serve(instance.model)

    def _resident(self, instance: _Instance) -> Resident:
        return Resident(
            id=str(instance.model),
            lane=str(instance.model),
            model=instance.kind.name,
            busy=int(instance.busy),
            serving=instance.ready,
            idle=0.0 if instance.busy or not instance.ready else self._now - instance.idle_since,
            memory=instance.kind.memory,
            boot=instance.kind.boot,
            uses=self._uses[instance.model].counted(self._now),
        )


WORLDS = {
    "models differ": (False, 1.0, 1),
    "models differ, few are wanted": (False, 1.3, 1),
    "models differ, others are wanted every hour": (False, 1.0, 4),
    "models are alike": (True, 1.0, 1),
}
"""By name: whether models are alike, Zipf's exponent, and how often popularity changes."""
RATE = 0.1
"""Requests a second: most of the waiting is for boots, not for one another."""


def world(
    seed: int, number: int, alike: bool, exponent: float, parts: int
) -> tuple[list[Kind], list[Request], Machine]:
    kinds = models(seed, alike)
    fit = max(sum(k.memory for k in kinds) * FIT // MODELS, max(k.memory for k in kinds))
    arrivals: list[Request] = []
    for part in range(parts):
        begun = arrivals[-1].at if arrivals else 0.0
        more = requests(kinds, seed + 100 * part, number // parts, RATE, exponent)
        arrivals += [Request(begun + r.at, r.model, r.run) for r in more]
    return kinds, arrivals, Machine(instances=MODELS, memory=fit)


def compared(number: int, seeds: int) -> dict[str, dict[str, Result]]:
    """Means over the seeds, of each policy in each world."""
    policies: dict[str, Place] = {"LRU": lru, "Hearth": place}
    found: dict[str, dict[str, Result]] = {}
    for name, (alike, exponent, parts) in WORLDS.items():
        each: dict[str, list[Result]] = {policy: [] for policy in policies}
        for seed in range(1, seeds + 1):
            given = world(seed, number, alike, exponent, parts)
            for policy, choose in policies.items():
                each[policy].append(Simulation(*given, choose).run())
        found[name] = {policy: _mean(results) for policy, results in each.items()}
    return found


def _mean(found: Sequence[Result]) -> Result:
    fields = Result.__struct_fields__
    means = {name: statistics.fmean(getattr(each, name) for each in found) for name in fields}
    return Result(**{**means, "boots": round(means["boots"]), "evictions": round(means["evictions"])})


def simulated(trace: packing_live.Trace) -> Result:
    """What the simulation says of requests that a live server had."""
    kinds = [Kind(m.name, m.memory, m.boot, 0.0) for m in trace.models]
    names = [m.name for m in trace.models]
    arrivals = [Request(r.at, names.index(r.model), r.run) for r in trace.requests]
    return Simulation(kinds, arrivals, Machine(instances=64, memory=trace.memory), place).run()


def main(arguments: list[str]) -> bool:
    """False if LRU was better anywhere."""
    quick = "--quick" in arguments
    found = compared(2_000 if quick else 10_000, 1 if quick else 5)
    console = Console(highlight=False)
    for name, policies in found.items():
        table = Table(name, "hits", "mean wait", "p50", "p99", "boots", "evictions", box=None, pad_edge=False)
        for policy, r in policies.items():
            figures = (f"{r.hits:.1%}", *(f"{v:.2f} s" for v in (r.mean, r.p50, r.p99)), str(r.boots), str(r.evictions))
            table.add_row(policy, *figures)
        console.print(table)
    figures: dict[str, Any] = {
        world: {p: msgspec.to_builtins(r) for p, r in each.items()} for world, each in found.items()
    }
    if "--live" in arguments:
        trace = packing_live.run(60 if quick else 240)
        live, said = packing_live.summary(trace), msgspec.to_builtins(simulated(trace))
        console.print(f"live: {live}\nsimulated: {said}")
        figures["live"] = {"live server": live, "simulated": said}
    if not quick:
        figures["load of the machine"] = dict(zip(("1 min", "5 min"), os.getloadavg(), strict=False))
        console.print(f"written to {results.write('packing', figures).name}")
    return all(each["Hearth"].mean <= each["LRU"].mean for each in found.values())
