"""Whatever happens to instances, callers and the server: every prediction ends, once, with a whole history."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from hearth.domain.events import TERMINAL, Kind
from hearth.domain.prediction import Phase
from hearth.runtime.base import Began, Outcome, Yielded
from hearth.testing.clock import settle
from hearth.testing.engine import ITERATOR, Bench, schema
from hearth.testing.runtime import FakeRun, FakeRuntime, crashes, deaf, echo, fails, hold, says

MODELS = ("echo", "says", "fails", "crashes", "refuses", "half", "stream", "hold", "deaf")


async def moody(run: FakeRun) -> Outcome:
    """Does what its input says."""
    match run.job.input["text"]:
        case "says":
            return await says("one\n", "two\n")(run)
        case "fails":
            return await fails("ValueError: no")(run)
        case "crashes":
            return await crashes()(run)
        case "refuses":
            return await crashes(started=False)(run)
        case "half":
            return await crashes(after=("half",))(run)
        case "stream":
            run.emit(Began())
            for number in range(50):
                run.emit(Yielded(f"{number}"))
                await asyncio.sleep(0)
            return Outcome(status="succeeded", output=[f"{n}" for n in range(50)])
        case "hold":
            return await hold(run)
        case "deaf":
            return await deaf(run)
        case _:
            return await echo(run)


async def disturb(bench: Bench, ids: list[str], dice: random.Random) -> None:
    """One thing that can go wrong, or some time."""
    alive = bench.runtime.alive
    match dice.choice(("cancel", "die", "time", "time", "settle", "release")):
        case "cancel":
            await bench.cancel(dice.choice(ids))
        case "die" if alive:
            dice.choice(alive).die("killed by the test")
        case "time":
            await bench.advance(dice.choice((0.1, 1.0, 11.0)))
        case "release" if alive:
            for run in list(dice.choice(alive).runs.values()):
                run.go.set()
        case _:
            await settle(5)


@pytest.mark.parametrize("seed", range(6))
async def test_everything_ends_once(bench: Any, seed: int) -> None:
    dice = random.Random(seed)
    runtime = FakeRuntime(moody, slots=dice.choice((1, 3)))
    one = bench(runtime=runtime, max_instances=3, max_instances_per_version=2, run_timeout=60, cancel_grace=5)
    await one.engine.start()
    versions = [await one.version(name, schema(text={"type": "string"}, output=ITERATOR)) for name in "abcd"]
    ids: list[str] = []
    for _ in range(60):
        deadline = one.clock.now() + 20 if dice.random() < 0.2 else None
        ids.append(await one.submit(dice.choice(versions), {"text": dice.choice(MODELS)}, deadline=deadline))
        await disturb(one, ids, dice)
    await one.engine.stop()
    assert runtime.alive == []
    two = bench(clock=one.clock, max_instances=3, run_timeout=60, cancel_grace=5)
    async with two:
        for id in ids:
            prediction = await two.end(id)
            events = await two.store.predictions.events(id)
            assert prediction.phase.terminal
            assert [event.seq for event in events] == list(range(prediction.events))
            assert [event.kind for event in events if event.kind in TERMINAL] == [Kind(prediction.phase.value)]
            assert events[-1].kind in TERMINAL
            if prediction.phase is Phase.FAILED:
                assert prediction.error
            items = [event.data for event in events if event.kind is Kind.OUTPUT]
            if items:
                assert prediction.output == items
        assert await two.store.queue.depth() == {}
        assert two.engine._dispatcher.tickets == {}
        assert two.engine._dispatcher.waiting() == 0
