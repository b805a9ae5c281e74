"""Rate limits through the whole server."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.domain.limits import Lane


async def test_without_limits_nobody_is_counted(hearth: Any) -> None:
    world = await hearth()
    _, client = await world.account("ada")
    answer = await client.get("account")
    assert "ratelimit-remaining" not in answer.headers


async def test_the_601st_create_of_a_minute_is_throttled(hearth: Any) -> None:
    world = await hearth(rate_limits="replicate")
    account, client = await world.account("ada")
    body = {"version": "nobody/nothing", "input": {}}
    first = await client.post("predictions", json=body)
    assert (first.status_code, first.headers["ratelimit-remaining"]) == (422, "599")  # mistakes count as well
    assert 0 < int(first.headers["ratelimit-reset"]) <= 60
    for _ in range(599):
        world.parts.services.limits.take(account, Lane.CREATES)
    refused = await client.post("predictions", json=body)
    reset = int(refused.headers["retry-after"])
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.headers["ratelimit-reset"] == str(reset)
    assert refused.json()["detail"] == f"Request was throttled. Your rate limit resets in ~{reset}s."
    assert refused.json()["status"] == 429
    other = await client.get("account")
    assert (other.status_code, other.headers["ratelimit-remaining"]) == (200, "2999")
    polled = await client.get("predictions/" + "0" * 26)
    assert (polled.status_code, polled.headers["ratelimit-remaining"]) == (404, "59999")
    _, bob = await world.account("bob")
    assert (await bob.post("predictions", json=body)).status_code == 422


@pytest.mark.parametrize(("server", "own", "expected"), [("2/2", 3, "2"), ("off", 1, "0"), ("2/2", 0, None)])
async def test_an_account_has_its_own_limits(hearth: Any, server: str, own: int, expected: str | None) -> None:
    world = await hearth(rate_limits=server)
    _, client = await world.account("ada", others_per_minute=own)
    answer = await client.get("account")
    assert answer.headers.get("ratelimit-remaining") == expected


async def test_processes_tell_each_other(hearth: Any) -> None:
    from hearth.clock import SystemClock
    from hearth.policy.ratelimit import Rates
    from hearth.service.limits import Limits

    world = await hearth()
    account, _ = await world.account("ada")
    one, two = (Limits(store=world.store, clock=SystemClock(), server=Rates(10, 10)) for _ in range(2))
    for _ in range(6):
        assert one.take(account, Lane.CREATES).allowed
    assert two.take(account, Lane.CREATES).remaining == 9
    await one.exchange()
    await two.exchange()
    assert two.take(account, Lane.CREATES).remaining == 2
    await two.exchange()
    await one.exchange()
    assert one.take(account, Lane.CREATES).remaining == 1
