"""Plays a trace through an engine, and reports what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from hearth.bus.base import NewPrediction
from hearth.bus.memory import MemoryBus
from hearth.domain.footprint import Footprint
from hearth.domain.model import Recipe, Version
from hearth.domain.prediction import Prediction
from hearth.engine import Engine, EngineOptions
from hearth.policy.placement import Machine as Room
from hearth.simulation.machine import Life, Machine, Run
from hearth.simulation.trace import Facts, Trace
from hearth.simulation.virtual import LoopClock, Stuck, VirtualLoop
from hearth.simulation.void import Void, VoidBlobs

ENDS = ("evict", "takeover", "idle", "stop", "failed", "lost")
PATIENCE = 86400.0
"""Seconds after the last arrival, beyond those of all runs, by which everything must have ended."""
_SCHEMA: dict[str, Any] = {
    "components": {
        "schemas": {
            "Input": {"type": "object", "properties": {"run": {"type": "number"}}},
            "Output": {"type": "string"},
        }
    }
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds. A wait is from arrival until the model's run starts."""

    arrivals: int
    wait_p50: float
    wait_p95: float
    wait_p99: float
    wait_max: float
    hit_rate: float
    """The part that ran on an instance which was ready when it came."""
    boots: int
    evictions: int
    """Idle instances that made room for another model."""
    takeovers: int
    """Instances that made room for another model between two runs."""
    idle_ends: int
    instance_seconds: float
    """From the beginning of each boot to the end, summed up over all instances."""
    memory_seconds: float
    """Byte-seconds: the memory of each instance times its life."""
    busy: float
    """The part of instance_seconds in which something ran."""
    lasted: float
    """From the first arrival to the last end."""


def replay(trace: Trace, options: Mapping[str, Any] | None = None) -> Report:
    """`options`: of the engine, by name (`engine.options`), and `memory` in bytes. Always the same for the same
    trace and options. Must not be called where an event loop runs."""
    with tempfile.TemporaryDirectory(prefix="hearth-simulation-") as folder:
        given = dict(options or {})
        memory = given.pop("memory", None)
        settings = EngineOptions(folder=Path(folder), **given)
        room = Room(instances=settings.max_instances, memory=memory)
        level = logging.getLogger("hearth").level
        logging.getLogger("hearth").setLevel(logging.ERROR)  # decisions in virtual time are no news
        try:
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                return runner.run(_replay(trace, msgspec.structs.replace(settings, machine=room)))
        finally:
            logging.getLogger("hearth").setLevel(level)


async def _replay(trace: Trace, options: EngineOptions) -> Report:
    versions = {facts.model: _version(facts) for facts in trace.models}
    ids = {version.id: version for version in versions.values()}
    machine = Machine({versions[facts.model].id: facts for facts in trace.models})
    clock, bus = LoopClock(), MemoryBus()
    store = Void(ids, [_footprint(versions[facts.model], facts) for facts in trace.models if facts.memory])
    engine = Engine(
        store=cast(Any, store),
        blobs=cast(Any, VoidBlobs()),
        bus=bus,
        runtime=machine,
        builder=cast(Any, None),
        fetcher=cast(Any, None),
        sender=cast(Any, None),
        sealer=cast(Any, None),
        clock=clock,
        render=lambda prediction: b"",
        options=options,
    )
    await engine.start()
    began, loop = clock.monotonic(), asyncio.get_running_loop()
    arrived: dict[str, float] = {}
    over = asyncio.Event()
    left = len(trace.arrivals)

    def ended(events: Sequence[Any], end: bool) -> None:
        nonlocal left
        if end:
            left -= 1
            if not left:
                over.set()

    for number, arrival in enumerate(trace.arrivals):
        await clock.sleep(began + arrival.at - loop.time())
        id = f"{number:026}"
        arrived[id] = loop.time()
        version = versions[arrival.model]
        prediction = Prediction(
            id=id,
            account_id=arrival.account,
            model=version.model,
            version=version.id,
            input={"run": arrival.run},
            created_at=clock.now(),
            events=1,
        )
        bus.listen(id, ended)
        bus.submit(NewPrediction(prediction=prediction, version=version))
    if trace.arrivals:
        try:
            async with asyncio.timeout(PATIENCE + sum(arrival.run for arrival in trace.arrivals)):
                await over.wait()
        except TimeoutError:
            raise Stuck(f"{left} of {len(trace.arrivals)} predictions never ended") from None
    lasted = loop.time() - began
    count = {end: engine.metrics.registry.get_sample_value("hearth_decisions_total", {"action": end}) for end in ENDS}
    await engine.stop()
    runs = {arrival_id: arrival.run for arrival_id, arrival in zip(arrived, trace.arrivals, strict=True)}
    return _report(arrived, machine.runs, machine.lives, sum(runs.values()), count, began + lasted, lasted)


def _report(
    arrived: dict[str, float],
    runs: Sequence[Run],
    lives: Sequence[Life],
    worked: float,
    count: Mapping[str, float | None],
    end: float,
    lasted: float,
) -> Report:
    waits = sorted(run.began - arrived[run.job] for run in runs)
    spans = [(min(end if life.ended is None else life.ended, end) - life.began, life.facts) for life in lives]
    alive = sum(seconds * facts.slots for seconds, facts in spans)
    return Report(
        arrivals=len(arrived),
        wait_p50=_quantile(waits, 0.5),
        wait_p95=_quantile(waits, 0.95),
        wait_p99=_quantile(waits, 0.99),
        wait_max=waits[-1] if waits else 0.0,
        hit_rate=sum(1 for run in runs if run.ready <= arrived[run.job]) / len(runs) if runs else 0.0,
        boots=len(lives),
        evictions=int(count["evict"] or 0),
        takeovers=int(count["takeover"] or 0),
        idle_ends=int(count["idle"] or 0),
        instance_seconds=sum(seconds for seconds, _ in spans),
        memory_seconds=sum(seconds * facts.memory for seconds, facts in spans),
        busy=worked / alive if alive else 0.0,
        lasted=lasted,
    )


def _quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that `part` of them do not exceed."""
    return values[max(math.ceil(len(values) * part) - 1, 0)] if values else 0.0


def _version(facts: Facts) -> Version:
    id = hashlib.sha256(facts.model.encode()).hexdigest()
    recipe = Recipe(source=(), environment=id)
    return Version(
        id=id, model_id=facts.model, model=facts.model, created_at=0.0, cog_version="", openapi_schema=_SCHEMA,
        recipe=recipe,
    )  # fmt: skip


def _footprint(version: Version, facts: Facts) -> Footprint:
    return Footprint(
        version_id=version.id, hardware="cpu", train=False, model=version.model, setup=facts.memory, run=facts.memory,
        at=0.0,
    )  # fmt: skip
