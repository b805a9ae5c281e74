from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from hearth.api.matcher import Match, Matcher
from hearth.api.route import Content
from hearth.api.routes import ROUTES
from hearth.api.services import Options, Services
from hearth.errors import Unavailable

ID = "0fqzzq8p2srgm0cjb2zaj681jr"


@pytest.fixture
def matcher() -> Matcher[str]:
    made: Matcher[str] = Matcher()
    for method, path in [
        ("GET", "/models"),
        ("POST", "/models"),
        ("GET", "/models/{owner}/{name}"),
        ("GET", "/models/{owner}/{name}/versions"),
        ("GET", "/models/{owner}/{name}/versions/{id}"),
        ("GET", "/files/{id}/download"),
        ("GET", "/files/{id}/{name}"),
        ("DELETE", "/files/{id}"),
    ]:
        made.add(method, path, f"{method} {path}")
    return made


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/",
        "/v1/v1/models",
        "/models",
        "/models/",
        "//v1//models",
        "/v1/http://host:80/v1/models",
        "/v1/https:/host/v1/models",
        "/v1/http://host/v1/v1/models/",
    ],
)
def test_all_spellings_of_a_path(matcher: Matcher[str], path: str) -> None:
    match = matcher.match("GET", path)
    assert isinstance(match, Match)
    assert (match.found, match.path) == ("GET /models", "/v1/models")


def test_parameters(matcher: Matcher[str]) -> None:
    match = matcher.match("GET", "/v1/models/ada/hello/versions/abc/")
    assert isinstance(match, Match)
    assert match.params == {"owner": "ada", "name": "hello", "id": "abc"}
    assert match.path == "/v1/models/ada/hello/versions/abc"


def test_fixed_segments_win_over_parameters(matcher: Matcher[str]) -> None:
    download, other = matcher.match("GET", "/v1/files/x/download"), matcher.match("GET", "/v1/files/x/a.png")
    assert isinstance(download, Match)
    assert isinstance(other, Match)
    assert download.found == "GET /files/{id}/download"
    assert other.params == {"id": "x", "name": "a.png"}


def test_head_is_get_and_other_methods_are_named(matcher: Matcher[str]) -> None:
    assert isinstance(matcher.match("HEAD", "/v1/models"), Match)
    assert matcher.match("PUT", "/v1/models") == ["GET", "POST", "HEAD"]
    assert matcher.match("GET", "/v1/files/x") == ["DELETE"]
    assert matcher.match("GET", "/v1/files") is None
    assert matcher.match("GET", "/v1") is None


def test_a_path_is_there_once(matcher: Matcher[str]) -> None:
    with pytest.raises(ValueError, match="twice"):
        matcher.add("GET", "/models", "again")


def test_the_table_is_sound() -> None:
    ids = [route.operation_id for route in ROUTES]
    assert len(set(ids)) == len(ids)
    assert all(route.path.startswith("/") and not route.path.endswith("/") for route in ROUTES)
    assert all(route.summary and not route.summary.endswith(".") for route in ROUTES)
    assert all(route.reply is not None or route.status in (202, 204) for route in ROUTES)


async def test_paging_keeps_the_clean_path(client: Any, world: Any) -> None:
    from hearth.store.base import Cursor

    world.older = Cursor(1.0, "x")
    page = (await client.get("/v1/http://hearth.test/v1/models?cursor=")).json()
    assert page["next"].startswith("https://hearth.test/v1/models?cursor=")


async def test_preflight(client: Any) -> None:
    for path in ("/v1/predictions", "/v1/files/x/y.png", "/anything"):
        response = await client.options(path, headers={"Origin": "https://page.example"})
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == "*"
        assert {"authorization", "content-type", "prefer"} <= set(
            response.headers["access-control-allow-headers"].split(", ")
        )
        assert "QUERY" in response.headers["access-control-allow-methods"]


async def test_preflight_allows_the_headers_of_every_client(client: Any) -> None:
    for asked in ("authorization,content-type,prefer,user-agent", "x-stainless-os, x-stainless-retry-count"):
        response = await client.options("/v1/predictions", headers={"Access-Control-Request-Headers": asked})
        assert response.headers["access-control-allow-headers"] == asked
    for nonsense in ("", "a b", "authorization,", 'x"y'):
        response = await client.options("/v1/predictions", headers={"Access-Control-Request-Headers": nonsense})
        assert response.headers["access-control-allow-headers"].startswith("authorization, content-type")


async def test_options_name_the_methods(client: Any) -> None:
    assert (await client.options("/v1/models")).headers["allow"] == "GET, POST, QUERY, HEAD, OPTIONS"
    assert "allow" not in (await client.options("/v1/nothing")).headers


async def test_pages_may_read_the_headers_of_answers(client: Any) -> None:
    for path in ("/v1/account", "/v1/nothing"):
        assert (await client.get(path)).headers["access-control-expose-headers"] == "*"


class APage:
    def wants(self, scope: Any) -> bool:
        return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a page"})

    def hang_up(self) -> None:
        pass


async def test_what_browsers_ask_for_goes_to_the_pages(services: Services, options: Options) -> None:
    import httpx

    from hearth.api.app import create_app

    app = create_app(services, options=options, pages=APage())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        browser = {"Accept": "text/html,application/xhtml+xml"}
        assert (await client.get("/", headers=browser)).text == "a page"
        assert (await client.get("/collections", headers=browser)).text == "a page"
        assert (await client.get("/v1/unknown", headers=browser)).json()["status"] == 404
        assert (await client.get("/unknown")).json()["status"] == 404  # a program gets JSON


async def test_health_and_metrics(client: Any, world: Any) -> None:
    assert (await client.get("/healthz", headers={"Authorization": ""})).json() == {"status": "ok"}
    assert (await client.get("/readyz")).status_code == 200
    await client.get(f"/v1/predictions/{ID}")
    text = (await client.get("/metrics")).text
    assert 'hearth_http_requests_total{operation="predictions.get",status="200"} 1.0' in text


@pytest.mark.parametrize("error", [Unavailable(), OSError("disk full")])
async def test_a_server_that_cannot_write_is_not_ready(client: Any, world: Any, error: Exception) -> None:
    world.fail = error
    response = await client.get("/readyz")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert (await client.get("/healthz")).status_code == 200


def test_every_record_of_the_table_can_be_described() -> None:
    """What the OpenAPI document will be made of."""
    types = [t for route in ROUTES for t in (route.body, route.reply) if t is not None and not isinstance(t, Content)]
    _, components = msgspec.json.schema_components(types)
    assert components["PredictionBody"]["required"][:4] == ["id", "model", "version", "input"]
    assert components["Create"]["required"] == ["input"]


async def test_requests_are_logged_at_debug(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "hearth.api"):
        response = await client.get("/v1/account")
    record = next(r for r in caplog.records if r.name == "hearth.api")
    assert record.getMessage().startswith("GET /v1/account 200 in ")
    assert record.__dict__["request"] == response.headers["x-request-id"]
