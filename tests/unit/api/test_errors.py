"""Every way to fail has one shape: an object with a string title, a string detail and an integer status."""

from __future__ import annotations

import logging
import re
from typing import Any

import msgspec
import pytest

from hearth import errors
from hearth.api.errors import problem
from hearth.api.routes import ROUTES
from hearth.errors import HearthError, InvalidField, InvalidInput, InvalidRequest, NotFound, Pointer

ID = "0fqzzq8p2srgm0cjb2zaj681jr"


def raised() -> list[HearthError]:
    """One of each class in the tree."""
    made: list[HearthError] = []
    pending: list[type[HearthError]] = [HearthError]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if not kind.__module__.startswith("hearth.errors"):
            continue
        if kind is InvalidInput:
            made.append(InvalidInput((InvalidField("required", "input", "prompt is required"),)))
        elif kind is errors.ConfigInvalid:
            made.append(errors.ConfigInvalid("no such key", line=3, key="build"))
        else:
            made.append(kind())
    return made


def check_shape(response: Any) -> dict[str, Any]:
    body = response.json()
    assert isinstance(body, dict)
    assert isinstance(body["title"], str)
    assert body["title"]
    assert isinstance(body["detail"], str)
    assert body["detail"]
    assert body["status"] == response.status_code
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["access-control-allow-origin"] == "*"
    return dict(body)


@pytest.mark.parametrize("error", raised(), ids=lambda e: type(e).__name__)
async def test_every_error_of_the_tree(client: Any, world: Any, error: HearthError) -> None:
    world.fail = error
    response = await client.post("/v1/predictions", json={"version": "x", "input": {}})
    check_shape(response)
    assert (response.headers.get("x-should-retry") == "false") == (
        response.status_code >= 500 or response.status_code == 409
    )
    read = await client.get(f"/v1/predictions/{ID}")
    check_shape(read)
    assert (read.headers.get("x-should-retry") == "false") == (read.status_code == 409)


async def test_an_unexpected_error_is_a_500_and_logged_once_with_the_request(
    client: Any, world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world.fail = ZeroDivisionError("boom")
    response = await client.get(f"/v1/predictions/{ID}")
    body = check_shape(response)
    assert response.status_code == 500
    assert "boom" not in response.text
    assert response.headers["x-request-id"] in body["detail"]
    records = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(records) == 1
    assert response.headers["x-request-id"] in records[0].getMessage()


PATHS = [(r.method, "/v1" + re.sub(r"\{\w+\}", "x1", r.path)) for r in ROUTES]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_every_operation_refuses_a_missing_token_or_needs_none(client: Any, method: str, path: str) -> None:
    route = next(r for r in ROUTES if (r.method, r.path) == (method, r.path) and PATHS[ROUTES.index(r)][1] == path)
    response = await client.request(method, path, headers={"Authorization": ""})
    if route.openai:
        told = {"message": "You did not pass a valid authentication token", "type": "authentication_error"}
        assert response.status_code == 401
        assert response.json() == {"error": {**told, "param": None, "code": "unauthenticated"}}
    elif route.auth in ("token", "admin"):
        body = check_shape(response)
        assert body == {
            "title": "Unauthenticated",
            "detail": "You did not pass a valid authentication token",
            "status": 401,
        }
    elif response.status_code >= 400:
        check_shape(response)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer r8_x", 200),
        ("bearer r8_x", 200),
        ("TOKEN r8_x", 200),
        ("Bearer   r8_x", 200),
        ("Bearer r8_My Bearer Token", 200),
        ("Bearer wrong", 401),
        ("Bearer", 401),
        ("Basic r8_x", 401),
        ("r8_x", 401),
    ],
)
async def test_both_schemes_in_any_case(client: Any, header: str, status: int) -> None:
    response = await client.get("/v1/account", headers={"Authorization": header})
    assert response.status_code == status


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "-1e999"])
async def test_numbers_beyond_all_bounds_are_named(client: Any, number: str) -> None:
    text = f'{{"version": "x", "input": {{"a": [{number}]}}}}'
    body = check_shape(await client.post("/v1/predictions", content=text))
    assert (body["status"], body["invalid_fields"][0]["field"]) == (422, "input")
    assert "out of range" in body["detail"]


async def test_unknown_paths_and_methods(client: Any) -> None:
    missing = check_shape(await client.get("/v1/nothing/here"))
    assert missing["detail"] == "The requested resource could not be found."
    response = await client.delete("/v1/predictions")
    check_shape(response)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST, HEAD"


async def test_instances_are_for_admins(client: Any, world: Any) -> None:
    assert (await client.get("/v1/admin/instances")).json()["results"][0]["started_at"] == "1970-01-01T00:00:01Z"
    world.account_record = msgspec.structs.replace(world.account_record, admin=False)
    assert (await client.get("/v1/admin/instances")).status_code == 404


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"version": "x",\n "input": {,}}', "line 2, column 12"),
        (b'{"version": "x", "input": {"a": Maybe}}', "not valid JSON"),
        (b'{"input": {"a": True}', "not valid JSON"),
        (b"{" + b'"a":{' * 100_000, "too deeply"),
        (b'{"version": "\xff", "input": {}}', "not valid JSON"),
        (b'{"input": {"a": "\\ud800"}}', "not valid JSON"),
        (b"nonsense", "not valid JSON"),
    ],
)
async def test_malformed_json_says_where(client: Any, content: bytes, says: str) -> None:
    body = check_shape(await client.post("/v1/predictions", content=content))
    assert body["status"] == 400
    assert says in body["detail"]


@pytest.mark.parametrize(
    ("content", "type_", "field"),
    [
        ({}, "required", "input"),
        ([], "invalid_type", "body"),
        ({"input": {}}, "required", "version"),
        ({"version": "x"}, "required", "input"),
        ({"version": "x", "input": "text"}, "invalid_type", "input"),
        ({"version": 7, "input": {}}, "invalid_type", "version"),
        ({"version": "x", "input": {}, "webhook_events_filter": ["end"]}, "invalid_type", "webhook_events_filter[0]"),
    ],
)
async def test_wrong_prediction_bodies_are_422_with_fields(client: Any, content: Any, type_: str, field: str) -> None:
    body = check_shape(await client.post("/v1/predictions", json=content))
    assert (body["status"], body["title"]) == (422, "Input validation failed")
    assert (body["invalid_fields"][0]["type"], body["invalid_fields"][0]["field"]) == (type_, field)


async def test_an_empty_body_is_an_empty_object(client: Any) -> None:
    response = await client.post("/v1/predictions", headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert "input is required" in response.json()["detail"]


async def test_wrong_resource_bodies_are_400_with_pointers(client: Any, world: Any) -> None:
    body = check_shape(await client.post("/v1/models", json={"owner": "ada", "name": 7}))
    assert body["errors"][0]["pointer"] in ("/name", "/visibility")
    assert body["detail"].startswith("The following errors occurred:\n- ")
    source = {"source": [{"path": "a", "sha256": "x", "size": "big"}]}
    body = check_shape(await client.post("/v1/models/ada/hello/pushes", json=source))
    assert body["errors"] == [{"pointer": "/source/0/size", "detail": "expected int, got str"}]


def test_a_field_is_named_once() -> None:
    error = InvalidRequest(errors=(Pointer("/hardware", "hardware: x is no SKU"), Pointer("/name", "must be short")))
    body = msgspec.json.decode(problem(error).body)
    assert body == {
        "title": "Validation failed",
        "detail": "The following errors occurred:\n- hardware: x is no SKU\n- name: must be short",
        "status": 400,
        "errors": [
            {"pointer": "/hardware", "detail": "x is no SKU"},
            {"pointer": "/name", "detail": "must be short"},
        ],
    }


def test_a_taken_name_is_told_where_tools_look() -> None:
    body = msgspec.json.decode(problem(errors.Conflict("A model with that name and owner already exists.")).body)
    assert body["errors"][0]["detail"] == "A model with that name and owner already exists."


def test_a_hint_is_passed_on() -> None:
    assert msgspec.json.decode(problem(NotFound("No.", hint="Look elsewhere.")).body)["hint"] == "Look elsewhere."


async def test_a_body_beyond_the_limit_is_refused(client: Any) -> None:
    response = await client.post("/v1/predictions", json={"version": "x", "input": {"a": "x" * (1 << 20)}})
    assert check_shape(response)["status"] == 413

    async def parts() -> Any:
        for _ in range(40):
            yield b" " * 65536

    assert check_shape(await client.post("/v1/predictions", content=parts()))["status"] == 413
