"""Statuses and bodies as the clients read them: client-contract.md section 5, replicate-platform.md section 5."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import replicate

from hearth.testing.programs import ProgramError


def test_inputs_that_do_not_fit_are_named(api: Any, models: Any) -> None:
    wrong = {
        "whole": 11,
        "flag": "maybe",
        "colour": "purple",
        "size": 3,
        "short": "too long",
        "word": "NOT LOWER",
        "path": "/etc/passwd",
        "wholes": ["one"],
        "mapping": "no mapping",
    }
    response = api.http.post("predictions", json={"version": models("every-input").name, "input": wrong})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["title"], body["status"]) == ("Input validation failed", 422)
    named = " ".join(f"{field['field']} {field['description']}" for field in body["invalid_fields"])
    for name in (*wrong, "text"):
        assert name in named
    assert body["detail"].count("\n") == len(body["invalid_fields"]) == len(wrong) + 1
    assert body["detail"].startswith("- ")


def test_every_client_is_told(py1: replicate.Client, py2: Any, js: Any, models: Any) -> None:
    ref = models("every-input").name
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        py1.run(ref, input={})
    assert (caught.value.status, caught.value.title) == (422, "Input validation failed")
    assert "text is required" in (caught.value.detail or "")
    with pytest.raises(ProgramError) as failed:
        py2("replicate.run(ref, input={})", ref=ref)
    assert (failed.value.kind, failed.value.status) == ("UnprocessableEntityError", 422)
    with pytest.raises(ProgramError, match="text is required") as failed:
        js("await replicate.run(ref, { input: {} });", ref=ref)
    assert failed.value.status == 422


def test_null_is_the_same_as_nothing(api: Any, models: Any) -> None:
    output = api.run(models("every-input").name, {"text": "hi", "seed": None, "maybe_text": None, "whole": None})[
        "output"
    ]
    assert output["seed"] == {"type": "NoneType", "value": None}
    assert output["whole"] == {"type": "int", "value": 3}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b'{"version": "admin/noop"}',
        b'{"version": "admin/noop", "input": 3}',
        b"\xff",
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes, api: Any, models: Any) -> None:
    models("noop")
    response = api.http.post("predictions", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    answer = response.json()
    assert isinstance(answer["detail"], str)
    assert answer["detail"]
    assert isinstance(answer["title"], str)


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic YTpi", "r8_0000000000000000000000000000000000000"]
)
def test_a_wrong_token_is_refused(header: str | None, api: Any) -> None:
    headers = {} if header is None else {"Authorization": header}
    client = httpx.Client(verify=api.http._transport._pool._ssl_context, base_url=api.http.base_url, trust_env=False)
    with client:
        response = client.get("account", headers=headers)
    assert response.status_code == 401
    assert response.json() == {
        "title": "Unauthenticated",
        "detail": "You did not pass a valid authentication token",
        "status": 401,
    }


def test_every_client_is_refused_with_a_wrong_token(py1: replicate.Client, py2: Any, js: Any) -> None:
    client = replicate.Client(api_token="wrong")
    with pytest.raises(replicate.exceptions.ReplicateError, match="valid authentication token"):
        client.run("admin/noop")
    client._client.close()
    with pytest.raises(ProgramError) as failed:
        py2("replicate.Replicate(bearer_token='wrong').account.get()")
    assert (failed.value.kind, failed.value.status) == ("AuthenticationError", 401)
    with pytest.raises(ProgramError) as failed:
        js("await new Replicate({ auth: 'wrong', baseUrl: process.env.REPLICATE_BASE_URL }).accounts.current();")
    assert failed.value.status == 401


def test_what_does_not_exist_is_not_found(api: Any, models: Any) -> None:
    noop = models("noop")
    for path in (
        "predictions/0fqzzq8p2srgm0cjb2zaj681jr",
        "predictions/nonsense",
        "models/admin/nothing",
        "models/nobody/noop",
        f"models/{noop.name}/versions/{'0' * 64}",
        "files/nothing",
        "nothing/at/all",
    ):
        response = api.http.get(path)
        assert response.status_code == 404, path
        assert (response.json()["status"], type(response.json()["detail"])) == (404, str)
    response = api.http.post("models/admin/nothing/predictions", json={"input": {}})
    assert response.status_code == 404
    for version in ("0" * 64, "admin/nothing", f"{noop.name}:{'0' * 64}", "a/b/c", "nonsense", ""):
        response = api.http.post("predictions", json={"version": version, "input": {}})
        assert response.status_code == 422, version
    response = api.http.post("predictions", json={"version": "0" * 64, "input": {}})
    assert response.json()["title"] == "Invalid version or not permitted"
    assert response.json()["detail"].startswith("The specified version does not exist")


PRIVATE = """
from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, text: str = "private") -> str:
        return text
"""


def test_a_private_model_does_not_exist_for_others(api: Any, other: Any, models: Any) -> None:
    model = models.write("private-one", PRIVATE, public=False)
    assert api.call("GET", f"models/{model.name}")["visibility"] == "private"
    assert api.run(model.ref)["output"] == "private"
    for path in (
        f"models/{model.name}",
        f"models/{model.name}/versions",
        f"models/{model.name}/versions/{model.version}",
    ):
        assert other.http.get(path).status_code == 404
    for version in (model.name, model.ref, model.version, f"{model.name}:latest"):
        response = other.http.post("predictions", json={"version": version, "input": {}})
        assert response.status_code == 422
        assert response.json()["title"] == "Invalid version or not permitted"
    assert other.http.post(f"models/{model.name}/predictions", json={"input": {}}).status_code == 404
    listed, url = [], "models"
    while url:
        page = other.call("GET", url)
        listed += [m["name"] for m in page["results"]]
        url = page["next"]
    assert "private-one" not in listed
    mine = api.create(model.name)
    assert other.http.get(f"predictions/{mine['id']}").status_code == 404


def test_a_name_is_taken_once(py1: replicate.Client, py2: Any, models: Any) -> None:
    owner, _, name = models("noop").name.partition("/")
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        py1.models.create(owner, name, hardware="cpu", visibility="public")
    assert caught.value.status == 409
    assert "already exists" in (caught.value.detail or "")
    code = "replicate.Replicate().models.create(owner=owner, name=name, hardware='cpu', visibility='public')"
    with pytest.raises(ProgramError) as failed:
        py2(code, owner=owner, name=name)
    assert (failed.value.kind, failed.value.status) == ("ConflictError", 409)


def test_clients_create_models(py1: replicate.Client, js: Any) -> None:
    made = py1.models.create("admin", "made-by-python", hardware="cpu", visibility="private", description="A model")
    assert (made.owner, made.name, made.visibility, made.description) == (
        "admin",
        "made-by-python",
        "private",
        "A model",
    )
    assert made.latest_version is None
    code = """
    const options = { visibility: "public", hardware: "cpu" };
    const made = await replicate.models.create("admin", "made-by-node", options);
    return [made.owner, made.name, made.visibility];
    """
    assert js(code) == ["admin", "made-by-node", "public"]
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        py1.run("admin/made-by-python", input={})
    assert "no version" in (caught.value.detail or "")


def test_a_full_line_says_when_to_come_again(fresh: Any) -> None:
    _, api, models = fresh(HEARTH_MAX_WAITING="1")
    sleeper = models("sleeper").name
    first = api.create(sleeper, {"seconds": 600})
    api.until(first["id"], "started")
    second = api.create(sleeper, {"seconds": 600})
    refused = api.http.post("predictions", json={"version": sleeper, "input": {"seconds": 600}})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["title"] == "Too many requests" or "wait" in refused.json()["detail"]
    for made in (first, second):
        api.cancel(made["id"])
