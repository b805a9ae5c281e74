"""The table of pages, and which address is whose."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.web.http import Reply
from hearth.web.paths import Found, Paths, reserved
from hearth.web.request import Request
from hearth.web.route import Route
from hearth.web.routes import ROUTES
from hearth.web.theme import local


async def handler(request: Request) -> Reply:
    return Reply()


def paths(*patterns: str) -> Paths:
    return Paths(tuple(Route(method="GET", path=pattern, handler=handler) for pattern in patterns))


def found(table: Paths, path: str) -> tuple[str, dict[str, str]] | None:
    match = table.match("GET", path)
    return (match.route.path, match.params) if isinstance(match, Found) else None


def test_what_is_written_out_goes_before_what_is_not() -> None:
    table = paths("/{owner}", "/explore", "/{owner}/{name}", "/p/{id}", "/{owner}/{name}/api", "/deployments/{o}/{n}")
    assert found(table, "/explore") == ("/explore", {})
    assert found(table, "/ann") == ("/{owner}", {"owner": "ann"})
    assert found(table, "/p/1") == ("/p/{id}", {"id": "1"})
    assert found(table, "/ann/m/") == ("/{owner}/{name}", {"owner": "ann", "name": "m"})
    assert found(table, "/deployments/a/api") == ("/deployments/{o}/{n}", {"o": "a", "n": "api"})
    assert found(table, "/a/b/c/d") is None


def test_a_method_that_is_not_there() -> None:
    assert paths("/explore").match("POST", "/explore") == ["GET"]
    assert isinstance(paths("/explore").match("HEAD", "/explore"), Found)


def test_a_path_is_there_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        paths("/{owner}/{name}", "/{a}/{b}")


def test_the_whole_table_is_sound() -> None:
    table = Paths(ROUTES)
    for route in ROUTES:
        example = route.path.replace("{", "x-").replace("}", "")
        match: Any = table.match(route.method, example)
        assert isinstance(match, Found), example


def test_every_post_is_checked_for_its_token() -> None:
    """The check is in one place and looks at the method: no page changes anything on GET."""
    assert {route.method for route in ROUTES} == {"GET", "POST"}


@pytest.mark.parametrize("path", ["/v1", "/v1/models", "/healthz", "/metrics", "/openapi.json"])
def test_the_api_keeps_its_addresses(path: str) -> None:
    assert reserved(path)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("/explore?a=b", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https://evil.example", False),
        ("", False),
        ("/a\nb", False),
    ],
)
def test_back_is_back_here(address: str, here: bool) -> None:
    assert local(address) is here
