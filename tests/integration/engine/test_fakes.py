"""The fakes that ship do what they promise."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from hearth.testing.clock import FakeClock
from hearth.testing.webhooks import WebhookCatcher


async def test_the_catcher_keeps_what_it_was_sent() -> None:
    async with WebhookCatcher() as catcher, aiohttp.ClientSession() as session:
        async with session.post(f"{catcher.url}?a=1", data=b'{"x": 1}', headers={"Webhook-Id": "m"}) as response:
            assert response.status == 200
        catcher.answer = lambda caught: 500
        async with session.post(catcher.url, data=b"{}") as response:
            assert response.status == 500
        first, _ = await catcher.wait(2)
        assert (first.path, first.headers["webhook-id"], first.json()) == ("/hook?a=1", "m", {"x": 1})
        with pytest.raises(TimeoutError):
            await catcher.wait(3, timeout=0.01)


async def test_time_passes_only_when_told() -> None:
    clock = FakeClock(1000.0)
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.monotonic())

    tasks = [asyncio.ensure_future(sleeper(seconds)) for seconds in (2, 1, 0)]
    await clock.advance(0)
    assert woken == [0]
    await clock.advance(1.5)
    assert woken == [0, 1]
    await clock.advance(1)
    assert woken == [0, 1, 2]
    assert clock.now() == 1002.5
    await asyncio.gather(*tasks)
