"""What the pages show and do, by the API: links and passwords, usage, metrics, releases, an account's settings."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hearth.domain.prediction import PredictionKind
from hearth.domain.sample import Sample

STRING = {"type": "string"}


async def test_a_link_signs_a_browser_in_and_everybody_can_be_signed_out(
    live: Any, ada: Any, client: httpx.AsyncClient
) -> None:
    made = await client.post("/v1/account/links")
    assert made.status_code == 201
    base, _, code = made.json()["url"].partition("?code=")
    assert base == f"{live.url}/setup"
    assert await live.sessions.redeem(code) == ada
    cookie = await live.sessions.start(ada, "Firefox on Linux")
    (listed,) = (await client.get("/v1/account/sessions")).json()["results"]
    assert listed["about"] == "Firefox on Linux"
    assert cookie not in str(listed)
    assert (await client.delete("/v1/account/sessions")).status_code == 204
    assert await live.sessions.account(cookie) is None


async def test_a_password_is_set_by_the_api(live: Any, ada: Any, client: httpx.AsyncClient) -> None:
    poor = await client.put("/v1/account/password", json={"password": "short"})
    assert (poor.status_code, poor.json()["errors"][0]["pointer"]) == (400, "/password")
    assert (await client.get("/v1/account/settings")).json()["password"] is False
    done = await client.put("/v1/account/password", json={"password": "correct horse battery"})
    assert done.status_code == 204
    assert (await client.get("/v1/account/settings")).json()["password"] is True
    signin = live.services.signin
    assert (await signin.with_password("ada", "correct horse battery", "::1")).id == ada.id


async def test_settings_are_changed_and_seen_at_once(client: httpx.AsyncClient) -> None:
    changed = await client.patch("/v1/account/settings", json={"name": "Ada L.", "retention": 60})
    assert changed.json() == {
        "username": "ada", "name": "Ada L.", "admin": True, "retention": 60.0, "password": False,
    }  # fmt: skip
    assert (await client.get("/v1/account/settings")).json() == changed.json()
    assert (await client.patch("/v1/account/settings", json={"retention": None})).json()["retention"] is None
    assert (await client.patch("/v1/account/settings", json={"retention": -1})).status_code == 400


async def test_a_new_webhook_secret_replaces_the_old_one(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/webhooks/default/secret")).json()["key"]
    made = (await client.post("/v1/webhooks/default/secret")).json()["key"]
    assert made != before
    assert (await client.get("/v1/webhooks/default/secret")).json()["key"] == made


async def test_how_long_a_version_takes_and_what_a_run_costs(live: Any, ada: Any, client: httpx.AsyncClient) -> None:
    version = await live.model(ada, "m", STRING)
    found = (await client.get("/v1/models/ada/m/timing")).json()
    assert (found["version"], found["runs"], found["run_p50"], found["cost_p50"]) == (version.id, 0, None, None)
    await live.store.queue.remember(version.id, PredictionKind.PREDICTION, [4.0, 2.0, 3.0])
    for path in ("/v1/models/ada/m/timing", f"/v1/models/ada/m/versions/{version.id}/timing"):
        found = (await client.get(path)).json()
        assert (found["runs"], found["run_p50"], found["cost_p50"], found["hardware"]) == (3, 3.0, 1.5, "cpu")
    assert (await client.get("/v1/models/ada/none/timing")).status_code == 404


async def test_usage_is_told_by_day_and_as_csv(live: Any, engine: Any, ada: Any, client: httpx.AsyncClient) -> None:
    await live.model(ada, "hello", STRING)
    body = {"version": "ada/hello", "input": {"text": "x"}}
    for _ in range(2):
        await client.post("/v1/predictions", json=body, headers={"Prefer": "wait"})
    found = (await client.get("/v1/account/usage")).json()
    assert (found["total"]["count"], found["total"]["failed"]) == (2, 0)
    (line,) = found["results"]
    assert (line["date"], line["model"], line["deployment"]) == (found["to"], "ada/hello", None)
    table = await client.get("/v1/account/usage.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.text.splitlines()[1].startswith(f"{found['to']},prediction,ada/hello,,{line['hardware']},2,0,")
    assert (await client.get("/v1/account/usage?from=2020-01-01&to=2020-01-02")).json()["results"] == []
    for query in ("from=yesterday", "from=2020-01-02&to=2020-01-01", "from=1990-01-01"):
        assert (await client.get(f"/v1/account/usage?{query}")).status_code == 400


@pytest.fixture
async def deployment(live: Any, ada: Any, client: httpx.AsyncClient) -> str:
    version = await live.model(ada, "hello", STRING)
    body = {"name": "app", "model": "ada/hello", "version": version.id, "hardware": "cpu"}
    made = await client.post("/v1/deployments", json={**body, "min_instances": 0, "max_instances": 1})
    assert made.is_success, made.text
    return "/v1/deployments/ada/app"


async def test_releases_are_listed_and_restored(client: httpx.AsyncClient, deployment: str) -> None:
    await client.patch(deployment, json={"max_instances": 4})
    back = await client.post(f"{deployment}/releases/1/restore")
    assert back.json()["current_release"]["number"] == 3
    listed = (await client.get(f"{deployment}/releases")).json()["results"]
    assert [(r["number"], r["configuration"]["max_instances"]) for r in listed] == [(3, 1), (2, 4), (1, 1)]
    for number in ("9", "x", "-1", "1" * 20):
        assert (await client.post(f"{deployment}/releases/{number}/restore")).status_code == 404


async def test_metrics_are_series_without_gaps(live: Any, client: httpx.AsyncClient, deployment: str) -> None:
    at = live.clock.now() // 60 * 60 - 60
    await live.store.samples.add("e", {"": Sample(at=at, succeeded=5, idle=2, memory=7)})
    server = (await client.get("/v1/admin/metrics?hours=1")).json()
    assert (server["step"], len(server["results"])) == (60.0, 60)
    assert (server["summary"]["ended"], server["summary"]["idle"], server["summary"]["memory"]) == (5, 2, 7)
    own = (await client.get(f"{deployment}/metrics")).json()
    assert (own["step"], len(own["results"]), own["summary"]["run_p50"]) == (300.0, 288, None)
    for hours in ("0", "25", "many"):
        assert (await client.get(f"{deployment}/metrics?hours={hours}")).status_code == 400


async def test_other_accounts_see_none_of_it(live: Any, ada: Any, client: httpx.AsyncClient, deployment: str) -> None:
    bob = await live.accounts.create(ada, "bob")
    headers = {"Authorization": f"Bearer {await live.accounts.new_token(bob, 't')}"}
    for path in (f"{deployment}/metrics", f"{deployment}/releases", "/v1/admin/metrics"):
        assert (await client.get(path, headers=headers)).status_code == 404
    assert (await client.post(f"{deployment}/releases/1/restore", headers=headers)).status_code == 404
    assert (await client.get("/v1/account/usage", headers=headers)).json()["results"] == []
