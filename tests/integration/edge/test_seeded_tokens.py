"""Seeded accounts have the tokens that the suites of the official clients were written with."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.errors import InvalidRequest

NO_HEADER_CARRIES = ("", "short", " padded-token", "padded-token ", "two\nlines-of", "naïve-token", "x" * 256)


async def test_a_seeded_token_may_be_any_text(hearth: Any) -> None:
    world = await hearth()
    seeds = world.parts.services.seeds
    await seeds.account("ada", {}, ("r8_" + "a" * 37, "test-token", "My Bearer Token"))
    for token in ("test-token", "My Bearer Token"):
        client = await world.client(token)
        assert (await client.get("account")).json()["username"] == "ada"
    listed = (await client.get("tokens")).json()["results"]
    assert {each["hint"] for each in listed} == {"aaaa", ""}, "a short one is not given away by its end"
    for token in NO_HEADER_CARRIES:
        with pytest.raises(InvalidRequest) as refused:
            await seeds.account("ada", {}, (token,))
        assert refused.value.errors[0].pointer == "/tokens"
