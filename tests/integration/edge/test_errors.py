"""Every operation, asked wrongly in every way: one shape of answer, and a status that our document names."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from hearth.api import openapi
from hearth.api.route import Auth, Content, Route
from hearth.api.routes import ROUTES

DOCUMENT = openapi.document(ROUTES, "https://hearth.test", "3.2")
PROMISED = {
    operation["operationId"]: {int(status) for status in operation["responses"]}
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
}
OTHERS = [r for r in ROUTES if r.openai]
ROUTES = tuple(r for r in ROUTES if not r.openai)
WITH_TOKEN = [r for r in ROUTES if r.auth in (Auth.TOKEN, Auth.ADMIN)]
WITH_NAMES = [r for r in ROUTES if "{" in r.path]
WITH_JSON = [r for r in ROUTES if r.body is not None and not isinstance(r.body, Content)]
ADMINS = [r for r in ROUTES if r.auth is Auth.ADMIN]
MAKE_WHAT_THEY_NAME = {"admin.accounts.put", "admin.predictions.put", "admin.models.put", "admin.files.put"}


def path(route: Route) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: "0" * 26 if m[1] == "id" else "nothing", route.path).lstrip("/")


def check(response: httpx.Response, route: Route, *statuses: int) -> dict[str, Any]:
    assert response.status_code in statuses, f"{route.operation_id}: {response.text}"
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert isinstance(body["title"], str)
    assert body["title"]
    assert isinstance(body["detail"], str)
    assert body["detail"]
    assert body["status"] == response.status_code
    if response.status_code != 405:
        assert response.status_code in PROMISED[route.operation_id], route.operation_id
    return body


@pytest.fixture
async def world(hearth: Any) -> Any:
    return await hearth()


async def test_without_a_token(world: Any) -> None:
    client = await world.client(None)
    for route in WITH_TOKEN:
        body = check(await client.request(route.method, path(route)), route, 401)
        assert body["title"] == "Unauthenticated"


async def test_with_a_wrong_token(world: Any) -> None:
    client = await world.client("r8_" + "x" * 37)
    for route in WITH_TOKEN:
        check(await client.request(route.method, path(route)), route, 401)


async def test_admins_only(world: Any) -> None:
    _, client = await world.account("ada")
    for route in ADMINS:
        check(await client.request(route.method, path(route), content=b"{}"), route, 404)


async def test_what_does_not_exist(world: Any) -> None:
    _, client = await world.account("ada", admin=True)
    for route in [r for r in WITH_NAMES if r.operation_id not in MAKE_WHAT_THEY_NAME]:
        operation = next(
            op for item in DOCUMENT["paths"].values() for op in item.values() if op["operationId"] == route.operation_id
        )
        media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        body = media.get("example") or {"input": {}, "name": "x", "source": [], "model": "a/b", "version": "x"}
        if route.operation_id == "models.examples.create":
            body = {"prediction": "0" * 26}
        elif route.operation_id == "pushes.create":
            body = {"source": [{"path": "cog.yaml", "sha256": "0" * 64, "size": 1}]}
        response = await client.request(route.method, path(route), json=body if media else None)
        check(response, route, 404)


@pytest.mark.parametrize("text", [b"{", b'{"', b"\xff", b'{"a":' * 5000, b'{"a":}', b'{"a": 01}'])
async def test_what_is_not_json(text: bytes, world: Any) -> None:
    _, client = await world.account("ada", admin=True)
    for route in WITH_JSON:
        check(await client.request(route.method, path(route), content=text), route, 400)


@pytest.mark.parametrize("text", [b"[]", b"3", b"null", b'"x"', b"true"])
async def test_json_of_the_wrong_kind(text: bytes, world: Any) -> None:
    _, client = await world.account("ada", admin=True)
    for route in WITH_JSON:
        body = check(await client.request(route.method, path(route), content=text), route, 400, 422)
        assert body.get("invalid_fields") if route.input_errors else body.get("errors")


async def test_fields_of_the_wrong_type(world: Any) -> None:
    _, client = await world.account("ada", admin=True)
    for route in WITH_JSON:
        names = route.body.__struct_fields__
        response = await client.request(route.method, path(route), json={name: [[{}]] for name in names})
        body = check(response, route, 400, 422)
        problems = body.get("invalid_fields") or body.get("errors")
        assert problems
        assert all(p.get("pointer", "/").startswith("/") for p in problems)


async def test_the_door_for_openais_clients(world: Any) -> None:
    _, client = await world.account("ada")
    stranger = await world.client("r8_" + "x" * 37)
    for route in OTHERS:
        named = {"model": "no/body", "messages": [{"role": "user", "content": "hi"}], "input": "hi"}
        answers = [await stranger.request(route.method, path(route))]
        if route.body is not None:
            answers += [await client.request(route.method, path(route), content=text) for text in (b"{", b"[]", b"{}")]
            answers.append(await client.request(route.method, path(route), json=named))
        elif "{" in route.path:
            answers.append(await client.request(route.method, path(route)))
        for answer in answers:
            assert answer.status_code in PROMISED[route.operation_id], answer.text
            error = answer.json()["error"]
            assert error["message"]
            assert error["type"] == ("authentication_error" if answer.status_code == 401 else "invalid_request_error")


async def test_a_wrong_method(world: Any) -> None:
    _, client = await world.account("ada")
    for route in list(ROUTES):
        response = await client.request("TRACE", path(route))
        check(response, route, 405)
        assert route.method in response.headers["allow"]
