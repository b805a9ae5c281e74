from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hearth.engine.alarms import Alarms
from hearth.testing.clock import FakeClock


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def alarms(clock: FakeClock) -> AsyncIterator[Alarms]:
    alarms = Alarms(clock)
    task = asyncio.ensure_future(alarms.run())
    await clock.advance(0)
    yield alarms
    task.cancel()
    await asyncio.wait([task])


async def test_alarms_ring_in_order_at_their_time(alarms: Alarms, clock: FakeClock) -> None:
    rung: list[tuple[str, float]] = []
    for name, after in (("c", 30.0), ("a", 1.0), ("b", 2.0)):
        alarms.after(after, lambda name=name: rung.append((name, clock.monotonic())))  # type: ignore[misc]
    await clock.advance(10)
    assert rung == [("a", 1), ("b", 2)]
    await clock.advance(20)
    assert rung[2:] == [("c", 30)]


async def test_an_earlier_alarm_wakes_the_sleeper(alarms: Alarms, clock: FakeClock) -> None:
    rung: list[float] = []
    alarms.after(100, lambda: rung.append(clock.monotonic()))
    await clock.advance(1)
    alarms.after(1, lambda: rung.append(clock.monotonic()))
    await clock.advance(1)
    assert rung == [2]


async def test_a_canceled_alarm_is_silent(alarms: Alarms, clock: FakeClock) -> None:
    rung: list[int] = []
    alarm = alarms.after(1, lambda: rung.append(1))
    alarm.cancel()
    alarm.cancel()
    await clock.advance(2)
    assert rung == []


async def test_canceled_alarms_do_not_pile_up(alarms: Alarms, clock: FakeClock) -> None:
    rung: list[int] = []
    for number in range(10_000):
        alarms.after(1800, lambda: rung.append(0)).cancel()
        if number % 1000 == 0:
            alarms.after(1800, lambda: rung.append(1))
    assert len(alarms._heap) < 200
    await clock.advance(1800)
    assert rung == [1] * 10


async def test_one_that_fails_does_not_stop_the_others(
    alarms: Alarms, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    rung: list[int] = []

    def broken() -> None:
        raise ValueError("broken")

    alarms.after(1, broken)
    alarms.after(2, lambda: rung.append(1))
    await clock.advance(3)
    assert rung == [1]
    assert "alarm failed" in caplog.text
