"""Where an instance goes: into free room, into the room of idle ones, or nowhere yet.

Room is three things: memory, memory of GPUs, and a number of instances. An instance takes what it has been seen to
need at its worst, so that what fits once fits always (docs/decisions/0011-packing.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hearth.domain.sizes import size
from hearth.policy.worth import Resident, cheapest

TAKEOVER = 30.0
"""Seconds that a version may be kept out by busy instances of others before one of them, when its run ends,
makes room instead of taking its next prediction. Long, because each takeover costs a boot."""
_NAMED = 3
"""How many of those who hold the room a sentence names."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    sku: str
    """Of one such device: `gpu-h100`."""
    memory: int
    """Bytes that instances may take; 0: unknown, then one instance has it alone."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What instances may take together."""

    instances: int
    memory: int | None = None
    """Bytes; None: as much as they like."""
    most: int | None = None
    """Bytes that one of them may take at most; None: as much as all."""
    gpus: tuple[Gpu, ...] = ()


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What one more instance would take."""

    memory: int = 0
    gpus: int = 0
    sku: str | None = None
    """The kind of GPU; None: any."""
    gpu_memory: int | None = 0
    """Bytes on each of them; None: unknown, so it gets them whole."""
    measured: bool = False
    """Seen, not estimated. An estimate beyond the machine is tried with all that the machine has."""


class Boot(msgspec.Struct, frozen=True):
    """There is room."""

    gpus: tuple[int, ...] = ()
    """On these devices."""


class Evict(msgspec.Struct, frozen=True):
    """End these idle instances; the room is there when all of them have gone."""

    instances: tuple[str, ...]
    because: str


class Hold(msgspec.Struct, frozen=True):
    """No room now; ask again when an instance becomes idle or ends."""

    because: str
    room: bool = True
    """Whether it is room that is missing."""
    coming: bool = False
    """Enough of it comes free: nobody else may take it."""


class Never(msgspec.Struct, frozen=True):
    """It fits not even alone."""

    because: str


Placement = Boot | Evict | Hold | Never


def place(
    lane: str,
    model: str,
    need: Need,
    residents: Sequence[Resident],
    machine: Machine,
    *,
    trainings: int | None = None,
) -> Placement:
    """Where the next instance of `lane` goes. `trainings`: for a training, how many there may be at a time.

    1. It would not fit alone: never.
    2. A training, and as many run as may: hold. One place is always left to predictions, if there are two.
    3. It fits beside all residents: boot.
    4. It fits once those that are ending have gone: hold.
    5. It fits once idle ones of other lanes that nobody keeps have gone too: evict the fewest and least valuable.
    6. Too much is busy, booting, kept or our own: hold, and evict nobody.
    """
    need = _capped(need, machine)
    if _devices(need, (), machine) is None or need.memory > alone(machine):
        return Never(_never(need, machine))
    if trainings is not None:
        most = min(trainings, max(machine.instances - 1, 1))
        if sum(1 for r in residents if r.train) >= most:
            running = "another training is running" if most == 1 else f"{most} other trainings are running"
            return Hold(f"{running}, as many as may at a time", room=False)
    if (gpus := _fits(need, residents, machine)) is not None:
        return Boot(gpus)
    staying = [r for r in residents if not r.ending]
    if _fits(need, staying, machine) is not None:
        return Hold("an instance is being stopped to make room", coming=True)
    idle = [r for r in staying if r.serving and not r.busy and r.lane != lane and not r.kept]
    victims = _victims(need, staying, idle, machine)
    if victims:
        longest = max(r.idle for r in victims)
        return Evict(tuple(r.id for r in victims), f"idle for {longest:.0f} s, and {model} needs the room")
    held = [r for r in staying if r not in idle]
    return Hold(_short(need, [*held, *(r for r in residents if r.ending)], machine))


def yields(kept_out: float, own_oldest: float, serving_for: float) -> bool:
    """Whether an instance whose run has just ended gives its room to a version that is kept out.

    `kept_out`: seconds that version has waited; `own_oldest`: seconds the instance's own next prediction has
    waited (0 if there is none); `serving_for`: seconds since the instance became ready. The longer wait wins,
    but an instance serves for as long as TAKEOVER before it may be turned out, so that two versions cannot
    boot each other away all day.
    """
    return kept_out >= TAKEOVER and kept_out > own_oldest and serving_for >= TAKEOVER


def attainable(lane: str, model: str, need: Need, residents: Sequence[Resident], machine: Machine) -> bool:
    """Whether there would be room if nobody but the kept ones did anything."""
    idle = [msgspec.structs.replace(r, busy=0, serving=not r.ending) for r in residents]
    placement = place(lane, model, need, idle, machine)
    return not isinstance(placement, Hold | Never) or (isinstance(placement, Hold) and placement.coming)


def helps(host: str, lane: str, model: str, need: Need, residents: Sequence[Resident], machine: Machine) -> bool:
    """Whether ending this resident brings `lane` nearer to its room: it is among those that would have to go if
    all who are busy were idle. So a large one gets in past small ones that are never idle together."""
    idle = [msgspec.structs.replace(r, busy=0, idle=r.idle or 1.0) for r in residents if not r.ending]
    placement = place(lane, model, need, idle, machine)
    return isinstance(placement, Evict) and host in placement.instances


def bespoken(lane: str, model: str, need: Need) -> Resident:
    """Stands for an instance that has waited so long for its room that nobody may slip in before it."""
    return Resident(id="", lane=lane, model=model, busy=1, kept=True, memory=need.memory)


# What fits


def _capped(need: Need, machine: Machine) -> Need:
    """An estimate may be wrong: it refuses nothing, it asks for the whole machine at most."""
    if need.measured:
        return need
    largest = sorted((gpu.memory for gpu in _kind(need, machine)), reverse=True)[: need.gpus]
    return msgspec.structs.replace(
        need,
        memory=int(min(need.memory, alone(machine))),
        gpu_memory=None if need.gpu_memory is None else min(need.gpu_memory, min(largest, default=0)),
    )


def _fits(need: Need, residents: Sequence[Resident], machine: Machine) -> tuple[int, ...] | None:
    """The devices it would get; None if it does not fit."""
    if len(residents) >= machine.instances or _memory(need, residents) > _most(machine):
        return None
    return _devices(need, residents, machine)


def _memory(need: Need, residents: Sequence[Resident]) -> int:
    return need.memory + sum(r.memory for r in residents)


def _most(machine: Machine) -> float:
    return float("inf") if machine.memory is None else machine.memory


def alone(machine: Machine) -> float:
    """The most memory that one instance can have."""
    return min(_most(machine), float("inf") if machine.most is None else machine.most)


def _kind(need: Need, machine: Machine) -> list[Gpu]:
    return [g for g in machine.gpus if need.sku is None or g.sku == need.sku]


def _devices(need: Need, residents: Sequence[Resident], machine: Machine) -> tuple[int, ...] | None:
    """The freest ones: work is spread over devices before it shares one."""
    if not need.gpus:
        return ()
    free = [(_gpu_free(g, residents), -g.index) for g in _kind(need, machine) if _gpu_fits(need, g, residents)]
    if len(free) < need.gpus:
        return None
    return tuple(sorted(-index for _, index in sorted(free, reverse=True)[: need.gpus]))


def _gpu_free(gpu: Gpu, residents: Sequence[Resident]) -> int:
    """Never less than nothing: who needs a device whole takes all of it."""
    there = [r for r in residents if gpu.index in r.gpus]
    whole = any(r.gpu_memory is None for r in there)
    return 0 if whole else max(gpu.memory - sum(r.gpu_memory or 0 for r in there), 0)


def _gpu_fits(need: Need, gpu: Gpu, residents: Sequence[Resident]) -> bool:
    if need.gpu_memory is None or not gpu.memory:
        return not any(gpu.index in r.gpus for r in residents)
    whole = any(r.gpu_memory is None for r in residents if gpu.index in r.gpus)
    return not whole and _gpu_free(gpu, residents) >= need.gpu_memory


# Whose room


def _victims(need: Need, staying: Sequence[Resident], idle: Sequence[Resident], machine: Machine) -> list[Resident]:
    """The idle ones that have to go: all that are needed, none that is not; empty if all would not do."""
    if _fits(need, [r for r in staying if r not in idle], machine) is None:
        return []
    gone = _on_devices(need, staying, idle, machine)

    def more(amount: Callable[[Resident], int], short: float) -> None:
        rest = [r for r in idle if r not in gone]
        gone.extend(cheapest(rest, amount, short - sum(amount(r) for r in gone)) or ())

    more(lambda r: r.memory, _memory(need, staying) - _most(machine))
    more(lambda r: 1, len(staying) + 1 - machine.instances)
    for victim in sorted(gone, key=lambda r: -r.loss):
        rest = [r for r in gone if r is not victim]
        if _fits(need, [r for r in staying if r not in rest], machine) is not None:
            gone = rest
    return gone


def _on_devices(need: Need, staying: Sequence[Resident], idle: Sequence[Resident], machine: Machine) -> list[Resident]:
    """Who has to go from the devices where that costs least."""
    ways: list[tuple[float, int, list[Resident]]] = []
    for gpu in _kind(need, machine) if need.gpus else ():
        here = [r for r in idle if gpu.index in r.gpus]
        if _gpu_fits(need, gpu, staying):
            ways.append((0.0, gpu.index, []))
        elif _gpu_fits(need, gpu, [r for r in staying if r not in here]):
            whole = need.gpu_memory is None or any(r.gpu_memory is None for r in staying if gpu.index in r.gpus)
            short = 0 if need.gpu_memory is None else need.gpu_memory - _gpu_free(gpu, staying)
            chosen = here if whole else cheapest(here, lambda r: r.gpu_memory or 0, short) or here
            ways.append((sum(r.loss for r in chosen), gpu.index, chosen))
    best = sorted(ways, key=lambda way: way[:2])[: need.gpus]
    found: dict[str, Resident] = {r.id: r for _, _, chosen in best for r in chosen}
    return list(found.values())


# Why not


def _never(need: Need, machine: Machine) -> str:
    if need.memory > _most(machine):
        return f"needs about {size(need.memory)} of memory; this server has {size(machine.memory or 0)} for its models"
    if need.memory > alone(machine):
        return f"needs about {size(need.memory)} of memory; this server gives an instance {size(machine.most or 0)}"
    kind = _kind(need, machine)
    name = need.sku or "GPU"
    if len(kind) < need.gpus:
        has = f"{len(kind)} of them" if kind else "none"
        return f"needs {_count(need.gpus, name)}; this server has {has}"
    largest = sorted((gpu.memory for gpu in kind), reverse=True)[need.gpus - 1]
    return f"needs about {size(need.gpu_memory or 0)} of GPU memory; this server's {name} has {size(largest)}"


def _count(number: int, name: str) -> str:
    return f"a {name}" if number == 1 else f"{number} x {name}"


def _short(need: Need, held: Sequence[Resident], machine: Machine) -> str:
    """Which room is short, by how much, and who holds it."""
    if _memory(need, held) > _most(machine):
        short = size(_memory(need, held) - (machine.memory or 0))
        holders = _holders([(r.memory, r) for r in held])
        return f"it needs about {size(need.memory)} of memory, {short} more than can be freed: {holders}"
    if _devices(need, held, machine) is None:
        indexes = {gpu.index for gpu in _kind(need, machine)}
        there = [r for r in held if indexes & set(r.gpus)]
        one = "the only GPU is" if len(indexes) == 1 else f"all {len(indexes)} GPUs are"
        much = "" if need.gpu_memory is None else f"it needs about {size(need.gpu_memory)} of GPU memory, and "
        return f"{much}{one} taken: {_holders([(r.gpu_memory or 0, r) for r in there])}"
    if machine.instances == 1:
        return f"the only instance this server may run is busy with {held[0].model}"
    return f"all {machine.instances} instances that this server may run are busy"


def _holders(held: Sequence[tuple[int, Resident]]) -> str:
    if not held:
        return "nothing holds it"
    largest = sorted(held, key=lambda pair: -pair[0])
    named = [f"{r.model} is {_doing(r)}" + (f" with {size(taken)}" if taken else "") for taken, r in largest[:_NAMED]]
    more = len(held) - _NAMED
    return ", ".join(named) + (f", and {more} more" if more > 0 else "")


def _doing(resident: Resident) -> str:
    if resident.ending:
        return "ending"
    if not resident.id:
        return "next"
    if not resident.serving:
        return "booting"
    return "busy" if resident.busy else "kept running" if resident.kept else "serving"
