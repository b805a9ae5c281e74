"""What people type into curl, and what older clients send."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest


@pytest.fixture
def bare(api: Any) -> Any:
    """Without a token of its own."""
    base_url = str(api.http.base_url).removesuffix("/v1/")
    with httpx.Client(base_url=base_url, verify=api.http._transport._pool._ssl_context, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer", "bearer", "BEARER"])
def test_every_scheme_is_understood(scheme: str, bare: Any, api: Any) -> None:
    response = bare.get("/v1/account", headers={"Authorization": f"{scheme} {api.server.token}"})
    assert response.status_code == 200
    assert response.json() == {
        "type": "user", "username": "admin", "name": "admin", "github_url": None, "avatar_url": None,
    }  # fmt: skip


@pytest.mark.parametrize("prefix", ["/v1", "", "/v1/v1"])
def test_every_prefix_is_understood(prefix: str, api: Any, bare: Any, models: Any) -> None:
    headers = {"Authorization": f"Token {api.server.token}", "Prefer": "wait"}
    body = {"version": models("noop").version, "input": {"text": "hi"}}
    created = bare.post(f"{prefix}/predictions", json=body, headers=headers)
    assert (created.status_code, created.json()["output"]) == (201, "hi")
    assert "/v1/predictions/" in created.json()["urls"]["get"]
    assert "/v1/v1/" not in created.json()["urls"]["get"]
    assert bare.get(f"{prefix}/predictions/{created.json()['id']}", headers=headers).json()["output"] == "hi"


def test_urls_name_the_host_that_was_asked(api: Any, models: Any) -> None:
    url = str(api.http.base_url).replace("127.0.0.1", "localhost")
    created = api.http.post(f"{url}predictions", json={"version": models("noop").name, "input": {}}).json()
    assert all(address.startswith("https://localhost:") for address in created["urls"].values())


def test_a_version_may_be_sent_to_the_models_door(api: Any, models: Any) -> None:
    noop = models("noop")
    for version in (noop.version, noop.ref, "0" * 64, "somebody/else:" + "1" * 64, "latest"):
        created = api.http.post(f"models/{noop.name}/predictions", json={"version": version, "input": {}})
        assert (created.status_code, created.json()["version"]) == (201, noop.version)
    created = api.http.post(f"models/{noop.name}:latest/predictions", json={"input": {}})
    assert (created.status_code, created.json()["version"]) == (201, noop.version)
    created = api.http.post(f"models/{noop.name}:{noop.version}/predictions", json={"input": {}})
    assert (created.status_code, created.json()["version"]) == (201, noop.version)


def test_fields_that_nobody_knows_are_no_error(api: Any, models: Any) -> None:
    extra = {"stream": True, "webhook_completed": None, "webhook_event_filter": ["start"], "onsomething": 1}
    body = {"version": models("noop").name, "input": {"text": "hi"}, **extra}
    created = api.http.post("predictions", json=body, headers={"Prefer": "wait"})
    assert (created.status_code, created.json()["output"]) == (201, "hi")


def test_python_words_in_json_are_read(api: Any, models: Any) -> None:
    """A guide's shell example, with the repr of a dictionary in it."""
    body = str({"version": models("every-input").name, "input": {"text": "hi", "flag": True, "seed": None, "whole": 4}})
    body = body.replace("'", '"')
    headers = {"Content-Type": "application/json", "Prefer": "wait"}
    created = api.http.post("predictions", content=body, headers=headers)
    assert created.status_code == 201
    assert created.json()["output"]["flag"] == {"type": "bool", "value": True}


def test_values_are_coerced_as_on_the_hosted_service(api: Any, models: Any) -> None:
    input = {"text": "hi", "whole": "4", "number": "0.25", "flag": "true", "wholes": ["1", 2]}
    output = api.create(models("every-input").name, input, hold=30)["output"]
    assert output["whole"] == {"type": "int", "value": 4}
    assert output["number"] == {"type": "float", "value": 0.25}
    assert output["flag"] == {"type": "bool", "value": True}
    assert output["wholes"] == {"type": "list", "value": [1, 2]}


def test_empty_bodies_and_needless_types(api: Any, models: Any) -> None:
    headers = {"Content-Type": "application/json"}
    assert api.http.get("predictions", headers=headers).status_code == 200
    created = api.create(models("noop").name)
    assert api.http.post(f"predictions/{created['id']}/cancel", headers=headers, content=b"").status_code == 200


def test_the_bare_api_of_the_platform(api: Any) -> None:
    assert parsedate_to_datetime(api.http.get("account").headers["date"])
    assert api.call("GET", "hardware")[0].keys() >= {"sku", "name"}
    assert api.call("GET", "webhooks/default/secret")["key"].startswith("whsec_")
    assert api.http.request("OPTIONS", "predictions").status_code in (200, 204)
    assert api.http.put("predictions").status_code == 405


def test_pages_in_a_browser_may_ask(api: Any, models: Any) -> None:
    headers = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,prefer",
    }
    answer = api.http.request("OPTIONS", "predictions", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "*"
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "prefer"))
    stream = api.create(models("output-concatenate").name)["urls"]["stream"]
    with api.http.stream("GET", stream, headers={"Origin": "https://example.org"}) as response:
        assert response.headers["access-control-allow-origin"] == "*"
