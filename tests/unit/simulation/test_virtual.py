from __future__ import annotations

import asyncio
import time

import pytest

from hearth.simulation.virtual import EPOCH, LoopClock, Stuck, VirtualLoop


def run(work: object) -> object:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)  # type: ignore[arg-type]


def test_a_day_passes_at_once_and_in_order() -> None:
    clock, heard = LoopClock(), list[tuple[str, float]]()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        heard.append((name, clock.monotonic()))

    async def both() -> float:
        await asyncio.gather(sleeper("late", 86_400.0), sleeper("soon", 0.25))
        return clock.now()

    began = time.monotonic()
    assert run(both()) == pytest.approx(EPOCH + 86_400.0)
    assert [name for name, _ in heard] == ["soon", "late"]
    assert heard[0][1] == pytest.approx(0.25)
    assert time.monotonic() - began < 60


def test_what_goes_to_a_thread_runs_at_once() -> None:
    async def work() -> int:
        return await asyncio.to_thread(lambda: 7)

    assert run(work()) == 7


def test_waiting_for_nothing_is_an_error() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run(work())
