"""What is run in the browser uses the same allowance as the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hearth.domain.limits import Lane


async def signed_in(world: Any, account: Any) -> tuple[httpx.AsyncClient, dict[str, str]]:
    """A browser, and what its forms send back."""
    client = await world.client(None)
    sessions = world.parts.services.sessions
    cookie = await sessions.start(account, "a browser")
    client.cookies.set("__Host-hearth", cookie)
    client.headers["accept"] = "text/html"
    return client, {"csrf": sessions.csrf(cookie)}


async def test_a_run_in_the_playground_is_a_create(hearth: Any) -> None:
    world = await hearth(rate_limits="2/100")
    ada, api = await world.account("ada")
    version = await world.version(ada)
    browser, form = await signed_in(world, ada)
    made = await browser.post("https://hearth.test/ada/hello", data={**form, "in.text": "one"})
    assert made.status_code == 303
    assert (await api.post("predictions", json={"version": version.id, "input": {}})).status_code == 201
    refused = await browser.post("https://hearth.test/ada/hello", data={**form, "in.text": "kept words"})
    assert refused.status_code == 429
    assert "Your account may make no more predictions in this minute. Try again in" in refused.text
    assert "kept words" in refused.text
    part = await browser.post(
        "https://hearth.test/ada/hello", data={**form, "in.text": "three"}, headers={"hx-request": "true"}
    )
    assert "no more predictions in this minute" in part.text
    assert len((await api.get("predictions")).json()["results"]) == 2
    assert (await api.post("predictions", json={"version": version.id, "input": {}})).status_code == 429


async def test_a_comparison_runs_whole_or_not_at_all(hearth: Any) -> None:
    world = await hearth(rate_limits="3/100")
    ada, _ = await world.account("ada")
    await world.version(ada)
    browser, form = await signed_in(world, ada)
    four = {**form, "m": "ada/hello", "vary": "text", "values": "a\nb\nc\nd"}
    refused = await browser.post("https://hearth.test/compare", data=four)
    assert refused.status_code == 429
    assert "may make 3 more predictions in this minute, and this would make 4" in refused.text
    assert (await browser.post("https://hearth.test/compare", data={**four, "values": "a\nb\nc"})).status_code == 303
    assert world.parts.services.limits.take(ada, Lane.CREATES).allowed is False


@pytest.mark.parametrize(
    ("path", "form"),
    [("ada/hello/train", {"destination": "ada/hello"}), ("batches/new?model=ada/hello", {"rows": "text\none"})],
)
async def test_a_training_and_a_batch_are_other_calls(hearth: Any, path: str, form: dict[str, str]) -> None:
    world = await hearth(rate_limits="5/1")
    ada, _ = await world.account("ada")
    await world.version(ada, train=True)
    browser, token = await signed_in(world, ada)
    assert (await browser.post(f"https://hearth.test/{path}", data={**token, **form})).status_code == 303
    refused = await browser.post(f"https://hearth.test/{path}", data={**token, **form})
    assert refused.status_code == 429
    assert "Your account may make no more calls in this minute" in refused.text
