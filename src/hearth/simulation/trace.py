"""Traces: who came when, for which model, and how long each run took; recorded, or made up from a seed.

A file has one JSON object a line: first what is known of the models, then the arrivals in order.

    {"model": "ada/sdxl", "boot": 8.5, "memory": 6200000000}
    {"at": 0.0, "model": "ada/sdxl", "run": 2.31}
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

BOOTS = (0.5, 2.0, 5.0, 12.0, 30.0)
"""Seconds of a boot, from a script without libraries to a large model; made-up models take them in turn."""
BURST = 20
"""Predictions in a burst, on average."""
WITHIN = 0.2
"""Seconds between two predictions of a burst, on average."""


class TraceInvalid(ValueError):
    """The file is no trace. The message names the line."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a model."""

    model: str
    boot: float = 5.0
    """Seconds from nothing to ready."""
    memory: int = 0
    """Bytes of one instance."""
    slots: int = 1
    """Predictions that one instance runs at a time."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: float
    """Seconds from the beginning of the trace."""
    model: str
    run: float
    """Seconds that it runs."""
    account: str = "a"


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    models: tuple[Facts, ...]
    arrivals: tuple[Arrival, ...]
    """In the order of time; each of a model that is among `models`."""


def read(path: Path) -> Trace:
    """Raises TraceInvalid, and OSError."""
    models: dict[str, Facts] = {}
    arrivals: list[Arrival] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                if b'"at"' in line:
                    arrivals.append(msgspec.json.decode(line, type=Arrival))
                else:
                    facts = msgspec.json.decode(line, type=Facts)
                    models[facts.model] = facts
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise TraceInvalid(f"{path}:{number}: {error}") from error
    for arrival in arrivals:
        models.setdefault(arrival.model, Facts(model=arrival.model))
    return Trace(models=tuple(models.values()), arrivals=tuple(sorted(arrivals, key=lambda a: a.at)))


def write(path: Path, trace: Trace) -> None:
    with path.open("wb") as file:
        for line in (*trace.models, *trace.arrivals):
            file.write(msgspec.json.encode(line) + b"\n")


Pick = Callable[[random.Random], int]


def poisson(*, arrivals: int, rate: float, models: int, seed: int) -> Trace:
    """`rate` a second on average, at any time, each for any model."""
    return _steady(arrivals, rate, models, seed, lambda dice: dice.randrange(models))


def zipf(*, arrivals: int, rate: float, models: int, seed: int, exponent: float = 1.1) -> Trace:
    """As `poisson`, but the n-th model is asked for in proportion to 1 / n ** exponent."""
    weights = [1 / (n + 1) ** exponent for n in range(models)]
    return _steady(arrivals, rate, models, seed, lambda dice: dice.choices(range(models), weights)[0])


def bursty(*, arrivals: int, rate: float, models: int, seed: int) -> Trace:
    """Bursts of one model each, `rate` predictions a second on average over all."""
    dice = random.Random(seed)
    facts = _models(models)
    found: list[Arrival] = []
    at = 0.0
    while len(found) < arrivals:
        at += dice.expovariate(rate / BURST)
        chosen, moment = dice.randrange(models), at
        for _ in range(min(1 + int(dice.expovariate(1 / BURST)), arrivals - len(found))):
            found.append(_arrival(dice, moment, facts, chosen))
            moment += dice.expovariate(1 / WITHIN)
    return Trace(models=tuple(facts), arrivals=tuple(sorted(found, key=lambda a: a.at)))


def _steady(arrivals: int, rate: float, models: int, seed: int, pick: Pick) -> Trace:
    dice = random.Random(seed)
    facts = _models(models)

    def come() -> Iterator[Arrival]:
        at = 0.0
        for _ in range(arrivals):
            at += dice.expovariate(rate)
            yield _arrival(dice, at, facts, pick(dice))

    return Trace(models=tuple(facts), arrivals=tuple(come()))


def _models(count: int) -> list[Facts]:
    """The slower to boot, the larger."""
    return [
        Facts(model=f"sim/model-{n + 1}", boot=boot, memory=round(0.3e9 * (1 + boot)))
        for n in range(count)
        for boot in [BOOTS[n % len(BOOTS)]]
    ]


def _arrival(dice: random.Random, at: float, facts: Sequence[Facts], chosen: int) -> Arrival:
    """Runs are spread as measured ones are: most near the median, a few several times as long."""
    median = 0.1 * (1 + facts[chosen].boot)
    run = median * math.exp(dice.gauss(0, 0.5))
    return Arrival(at=round(at, 3), model=facts[chosen].model, run=round(run, 3))
