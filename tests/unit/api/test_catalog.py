"""Models, examples, search, collections and accounts over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hearth.domain.catalog import ModelOrder
from hearth.errors import Conflict, SearchFailed

HOST = "https://hearth.test"


async def test_the_list_takes_both_sorts_and_keeps_them_in_its_links(client: Any, world: Any) -> None:
    await client.get("/v1/models")
    assert world.calls[-1] == ("page", {"cursor": None, "by": ModelOrder.PUSHED, "ascending": False})
    await client.get("/v1/models?sort_by=model_created_at&sort_direction=asc")
    assert world.calls[-1] == ("page", {"cursor": None, "by": ModelOrder.CREATED, "ascending": True})


@pytest.mark.parametrize("query", ["sort_by=runs", "sort_direction=up"])
async def test_other_sorts_are_refused(client: Any, query: str) -> None:
    response = await client.get(f"/v1/models?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]


@pytest.mark.parametrize(
    ("body", "query"),
    [("nano banana", "nano banana"), ('"nano \\"x\\""', 'nano "x"'), ('"broken\\"', "broken\\"), ("", ""), ('"', '"')],
)
async def test_models_are_searched_by_text_or_json(client: Any, world: Any, body: str, query: str) -> None:
    response = await client.request("QUERY", "/v1/models", content=body, headers={"content-type": "text/plain"})
    assert response.status_code == 200
    assert world.calls[-1] == ("models", {"query": query})
    page = response.json()
    assert (page["next"], page["previous"], page["results"][0]["name"]) == (None, None, "hello")


async def test_only_what_is_sent_is_changed(client: Any, world: Any) -> None:
    response = await client.patch(
        "/v1/models/ada/hello", json={"readme": None, "name": "other", "github_url": "https://x"}
    )
    assert response.status_code == 200
    assert response.json()["latest_version"] is not None
    assert world.calls[-1] == ("update", {"fields": {"readme": None, "github_url": "https://x"}})
    await client.patch("/v1/models/ada/hello", json={})
    assert world.calls[-1] == ("update", {"fields": {}})
    assert (await client.patch("/v1/models/ada/hello", json={"readme": 1})).status_code == 400


async def test_deletes_have_no_body_and_refusals_name_the_rule(client: Any, world: Any) -> None:
    for path, status, call in (
        ("models/ada/hello", 204, ("delete", {"owner": "ada", "name": "hello"})),
        ("models/ada/hello/versions/abc", 202, ("delete_version", {"id": "abc"})),
        ("models/ada/hello/examples/abc", 204, ("remove", {"id": "abc"})),
        ("admin/collections/words", 204, ("delete", {"slug": "words"})),
        ("admin/collections/words/models/ada/hello", 204, ("remove", {"slug": "words", "model": "ada/hello"})),
    ):
        response = await client.delete(f"/v1/{path}")
        assert (response.status_code, response.content) == (status, b"")
        assert world.calls[-1] == call
    world.fail = Conflict("The model is public.")
    response = await client.delete("/v1/models/ada/hello")
    assert (response.status_code, response.json()["detail"]) == (409, "The model is public.")


async def test_a_readme_is_plain_text(client: Any) -> None:
    response = await client.get("/v1/models/ada/hello/readme")
    assert (response.text, response.headers["content-type"]) == ("# Hello", "text/plain; charset=utf-8")


async def test_a_model_embeds_its_example_and_its_cover(client: Any, world: Any, finished: Any) -> None:
    reference = f"hearth-file:{'0' * 26}/out.png"
    world.example = msgspec.structs.replace(finished, output=[reference], source="example")
    body = (await client.get("/v1/models/ada/hello")).json()
    assert body["default_example"]["id"] == finished.id
    assert body["default_example"]["source"] == "web"
    assert body["cover_image_url"] == body["default_example"]["output"][0] == f"{HOST}/v1/files/{'0' * 26}/out.png"


async def test_examples(client: Any, world: Any) -> None:
    page = (await client.get("/v1/models/ada/hello/examples")).json()
    assert page["results"][0]["id"] == world.prediction_record.id
    made = await client.post("/v1/models/ada/hello/examples", json={"prediction": "abc"})
    assert (made.status_code, world.calls[-1]) == (201, ("add", {"id": "abc"}))


async def test_a_search_has_all_four_parts(client: Any, world: Any) -> None:
    body = (await client.get("/v1/search?query=words&limit=7")).json()
    assert world.calls[-1] == ("everything", {"query": "words", "limit": 7})
    assert body["query"] == "words"
    assert body["models"][0]["model"]["name"] == "hello"
    assert body["models"][0]["metadata"] == {"generated_description": None, "tags": [], "score": 0.5}
    assert body["collections"] == [
        {"name": "Words", "slug": "words", "description": "Make text.", "models": ["ada/hello"]}
    ]
    assert body["pages"] == [{"name": "Files", "href": "/docs/files"}]
    await client.request("QUERY", "/v1/search", content="zebra")
    assert world.calls[-1] == ("everything", {"query": "zebra", "limit": 20})


@pytest.mark.parametrize("query", ["", "?query=", "?limit=5", "?query=%20"])
async def test_a_search_needs_a_query(client: Any, query: str) -> None:
    response = await client.get("/v1/search" + query)
    assert (response.status_code, response.json()["detail"]) == (400, 'Query parameter "query" is required')


@pytest.mark.parametrize("limit", ["0", "51", "-1", "x", "1.5", "9" * 5000, "\u00b2"])
async def test_a_limit_is_1_to_50(client: Any, limit: str) -> None:
    response = await client.get("/v1/search", params={"query": "x", "limit": limit})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/limit")


async def test_a_search_that_fails_says_so(client: Any, world: Any) -> None:
    world.fail = SearchFailed()
    response = await client.get("/v1/search?query=x")
    assert (response.status_code, response.json()["detail"]) == (500, "Search service error")


async def test_collections_are_read(client: Any) -> None:
    page = (await client.get("/v1/collections")).json()
    assert page["results"] == [{"name": "Words", "slug": "words", "description": "Make text."}]
    body = (await client.get("/v1/collections/words")).json()
    assert (body["full_description"], [m["name"] for m in body["models"]]) == ("# All", ["hello"])


async def test_collections_are_changed_by_admins_only(client: Any, world: Any) -> None:
    made = await client.post("/v1/admin/collections", json={"slug": "words", "name": "Words"})
    assert made.status_code == 201
    expected = {"slug": "words", "name": "Words", "description": "", "full_description": None}
    assert world.calls[-1] == ("create", expected)
    await client.patch("/v1/admin/collections/words", json={"full_description": None})
    assert world.calls[-1] == ("update", {"slug": "words", "fields": {"full_description": None}})
    await client.post("/v1/admin/collections/words/models", json={"model": "ada/hello"})
    assert world.calls[-1] == ("add", {"slug": "words", "model": "ada/hello"})
    world.account_record = msgspec.structs.replace(world.account_record, admin=False)
    assert (await client.post("/v1/admin/collections", json={"slug": "x", "name": "X"})).status_code == 404


async def test_accounts_are_made_by_admins_only(client: Any, world: Any) -> None:
    made = await client.post("/v1/admin/accounts", json={"username": "acme", "type": "organization"})
    assert (made.status_code, made.json()["token"]) == (201, "r8_new")
    assert (await client.post("/v1/admin/accounts", json={"username": "x", "type": "robot"})).status_code == 400
    assert [a["username"] for a in (await client.get("/v1/admin/accounts")).json()["results"]] == ["ada"]
    made = await client.post("/v1/admin/accounts/acme/tokens", json={"name": "ci"})
    assert made.json() == {"name": "ci", "token": "r8_new"}
    world.account_record = msgspec.structs.replace(world.account_record, admin=False)
    assert (await client.get("/v1/admin/accounts")).status_code == 404
