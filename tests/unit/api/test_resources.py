"""Models, versions, accounts, tokens and pushes."""

from __future__ import annotations

from typing import Any

import msgspec

from hearth.domain.breakdown import Breakdown

HOST = "https://hearth.test"
VERSION_ID = "5" * 64
NEW_MODEL = {"owner": "ada", "name": "hello", "visibility": "private", "hardware": "cpu"}


async def test_a_model_has_every_field_that_clients_require(client: Any) -> None:
    body = (await client.get("/v1/models/ada/hello")).json()
    version = body.pop("latest_version")
    assert version["id"] == VERSION_ID
    assert body == {
        "url": f"{HOST}/ada/hello",
        "owner": "ada",
        "name": "hello",
        "description": None,
        "visibility": "private",
        "is_official": False,
        "github_url": None,
        "paper_url": None,
        "weights_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "created_at": "2023-11-14T22:13:20Z",
    }


async def test_a_new_model_has_no_version(client: Any, world: Any) -> None:
    response = await client.post("/v1/models", json={**NEW_MODEL, "description": "", "cover_image_url": None})
    assert response.status_code == 201
    assert response.json()["latest_version"] is None
    assert world.calls[0][1]["description"] is None


async def test_a_version_after_the_colon_does_not_matter(client: Any, world: Any) -> None:
    await client.get("/v1/models/ada/hello:latest")
    assert world.calls[0] == ("get", {"owner": "ada", "name": "hello"})


async def test_versions(client: Any, world: Any) -> None:
    body = (await client.get("/v1/models/ada/hello/versions/latest")).json()
    assert world.calls[0] == ("version", {"id": "latest"})
    assert set(body) == {"id", "created_at", "cog_version", "openapi_schema"}
    page = (await client.get("/v1/models/ada/hello/versions")).json()
    assert page == {"next": None, "previous": None, "results": [body]}


async def test_lists_of_models(client: Any) -> None:
    for path in ("/v1/models", "/v1/account/models"):
        assert (await client.get(path)).json()["results"][0]["name"] == "hello"


async def test_the_account(client: Any) -> None:
    expected = {"type": "user", "username": "ada", "name": "ada", "github_url": None, "avatar_url": None}
    assert (await client.get("/v1/account")).json() == expected
    assert (await client.get("/v1/webhooks/default/secret")).json() == {"key": "whsec_abc="}
    assert (await client.get("/v1/hardware")).json() == [{"sku": "cpu", "name": "CPU", "price": 0.0}]


async def test_tokens(client: Any, world: Any) -> None:
    listed = (await client.get("/v1/tokens")).json()["results"]
    assert listed == [
        {
            "name": "default",
            "hint": "abcd",
            "created_at": "1970-01-01T00:00:01Z",
            "disabled_at": None,
            "priority": "interactive",
        }
    ]
    made = await client.post("/v1/tokens", json={"name": "ci"})
    assert (made.status_code, made.json()) == (201, {"name": "ci", "token": "r8_new"})
    assert (await client.delete("/v1/tokens/my%20laptop")).status_code == 204
    assert world.calls[-1] == ("disable_token", {"name": "my laptop"})


async def test_deliveries_can_be_listed_and_sent_again(client: Any, world: Any) -> None:
    page = (await client.get("/v1/webhooks/deliveries")).json()
    assert page["results"][0]["id"] == "msg_1"
    response = await client.post("/v1/webhooks/deliveries/msg_1/replay")
    assert (response.status_code, response.content) == (202, b"")
    assert world.calls[-1] == ("replay", {"id": "msg_1"})


async def test_a_push(client: Any, world: Any) -> None:
    source = [{"path": "cog.yaml", "sha256": "ab", "size": 3, "executable": False}]
    response = await client.post("/v1/models/ada/hello/pushes", json={"source": source, "create": True})
    assert response.status_code == 201
    body = response.json()
    assert body["missing"] == ["ab"]
    assert body["urls"]["source"] == f"{HOST}/v1/pushes/b1/source"
    assert world.calls[0][1]["create"] is True
    assert msgspec.to_builtins(world.calls[0][1]["source"]) == source
    sent = await client.put("/v1/pushes/b1/source", content=b"tar bytes")
    assert (sent.status_code, sent.json()) == (202, {"missing": []})
    assert world.calls[-1] == ("upload", {"content": b"tar bytes"})
    read = (await client.get("/v1/pushes/b1")).json()
    assert read["status"] == "uploading"
    assert "missing" not in read


async def test_a_version_says_that_it_is_given_up_and_can_be_retried(world: Any, client: Any) -> None:
    path = f"/v1/models/ada/hello/versions/{VERSION_ID}"
    assert "broken" not in (await client.get(path)).json()
    world.breakdowns = [
        Breakdown(
            lane=VERSION_ID,
            version_id=VERSION_ID,
            model="ada/hello",
            because="No weights.",
            logs="a\n",
            failures=5,
            at=0.0,
        )
    ]
    (broken,) = (await client.get(path)).json()["broken"]
    assert broken["because"].startswith("No weights. That was the 5th time in a row")
    assert (broken["failures"], broken["logs"], broken["deployment"]) == (5, "a\n", None)
    assert (await client.post(f"{path}/retry")).status_code == 204
    assert ("retry", {"id": VERSION_ID}) in world.calls
