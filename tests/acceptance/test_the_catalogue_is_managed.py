"""Models, versions, examples, collections, search and hardware, through the official client and by hand."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate
from replicate.exceptions import ReplicateError

from hearth.testing.live import LiveServer

from .conftest import Api, Models

PREDICT = """
from pathlib import Path as P
from cog import BasePredictor, Input, Path


class Predictor(BasePredictor):
    def run(self, word: str = Input(default="hi"), picture: Path = Input(default=None)) -> Path:
        out = P("painted.png")
        out.write_bytes(picture.read_bytes() if picture else word.encode())
        return Path(out)
"""
ABOUT = """
description: Paints zebras.
visibility: public
hardware: cpu-small
cover: art/cover.png
readme: ABOUT.md
examples:
  - word: first
    picture: "@art/in.png"
  - word: second
  - word: [1]
"""


def folder(scratch: Path, name: str, about: str | None = None) -> Path:
    path = scratch / name
    (path / "art").mkdir(parents=True)
    path.joinpath("cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
    path.joinpath("predict.py").write_text(PREDICT)
    path.joinpath("ABOUT.md").write_text("# Painter\n\nStripes of all kinds.\n")
    path.joinpath("art", "cover.png").write_bytes(b"\x89PNG cover")
    path.joinpath("art", "in.png").write_bytes(b"\x89PNG in")
    if about is not None:
        path.joinpath("hearth.yaml").write_text(about)
    return path


def until_shown(api: Api, model: str, count: int) -> list[Any]:
    """The examples of a model, once the predictions that its push began have ended."""
    for item in api.call("GET", "predictions")["results"]:
        if item["model"] == model:
            api.ended(item["id"])
    found = api.call("GET", f"models/{model}/examples")["results"]
    assert len(found) == count
    return found


@pytest.fixture(scope="module")
def painter(models: Models, api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose hearth.yaml says everything; pushed without saying who may see it."""
    models.push(folder(tmp_path_factory.mktemp("painter"), "painter", ABOUT), "painter", public=False)
    until_shown(api, "admin/painter", 2)
    return "admin/painter"


@pytest.fixture(scope="module")
def stranger(server: LiveServer, api: Api) -> Iterator[Api]:
    """An account that is no admin."""
    made = api.call("POST", "admin/accounts", json={"username": "stranger"})
    stranger = Api(server, made["token"])
    with stranger.http:
        yield stranger


def test_hearth_yaml_shapes_a_new_model(painter: str, api: Api, py1: replicate.Client) -> None:
    model = py1.models.get(painter)
    assert (model.visibility, model.description) == ("public", "Paints zebras.")
    assert httpx.get(model.cover_image_url, verify=False).content == b"\x89PNG cover"
    assert model.default_example is not None
    assert model.default_example.input["word"] == "first"
    assert model.run_count == 2
    response = api.http.get(f"models/{painter}/readme")
    assert (response.headers["content-type"], response.text) == (
        "text/plain; charset=utf-8",
        "# Painter\n\nStripes of all kinds.\n",
    )


def test_examples_of_a_push_are_run_and_public(painter: str, api: Api, stranger: Api) -> None:
    first, second = stranger.call("GET", f"models/{painter}/examples")["results"]
    assert [first["input"]["word"], second["input"]["word"]] == ["first", "second"]
    assert [first["status"], first["source"]] == ["succeeded", "web"]
    assert stranger.http.get(first["output"]).content == b"\x89PNG in"
    assert stranger.http.get(first["input"]["picture"]).content == b"\x89PNG in"
    assert stranger.get(first["id"])["output"] == first["output"]
    mine = api.run(painter, {"word": "by hand"})
    assert stranger.http.get(f"predictions/{mine['id']}").status_code == 404
    added = api.call("POST", f"models/{painter}/examples", json={"prediction": mine["id"]})
    assert added["id"] == mine["id"]
    assert stranger.get(mine["id"])["status"] == "succeeded"
    assert stranger.http.post(f"models/{painter}/examples", json={"prediction": mine["id"]}).status_code == 404
    api.call("DELETE", f"models/{painter}/examples/{mine['id']}")
    assert stranger.http.get(f"predictions/{mine['id']}").status_code == 404


def test_a_second_push_replaces_the_examples_of_the_first(models: Models, api: Api, tmp_path: Path) -> None:
    about = "visibility: public\nexamples:\n  - word: one\n"
    first = folder(tmp_path, "repainter", about)
    models.push(first, "repainter", public=False)
    (old,) = until_shown(api, "admin/repainter", 1)
    first.joinpath("hearth.yaml").write_text("visibility: private\nexamples:\n  - word: two\n")
    models.push(first, "repainter", public=False)
    (new,) = until_shown(api, "admin/repainter", 1)
    assert (old["input"]["word"], new["input"]["word"]) == ("one", "two")
    model = api.call("GET", "models/admin/repainter")
    assert (model["visibility"], model["default_example"]["id"]) == ("public", new["id"])


def test_the_list_shows_what_is_worth_showing(painter: str, models: Models, py1: replicate.Client) -> None:
    models("noop")  # public, but without an example
    names = [f"{m.owner}/{m.name}" for m in py1.models.list()]
    assert painter in names
    assert "admin/noop" not in names


def test_both_orders_both_ways(painter: str, api: Api) -> None:
    for by in ("model_created_at", "latest_version_created_at"):
        down = api.call("GET", f"models?sort_by={by}&sort_direction=desc")
        up = api.call("GET", f"models?sort_by={by}&sort_direction=asc")
        assert [m["name"] for m in up["results"]] == [m["name"] for m in down["results"]][::-1]
    response = api.http.get("models?sort_by=name")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/sort_by"


def test_search_by_the_client_and_by_hand(painter: str, api: Api, py1: replicate.Client) -> None:
    found = [f"{m.owner}/{m.name}" for m in py1.models.search("zebras")]
    assert found[0] == painter
    for text in ("zebra", '"zebra"', "zebbra"):
        response = api.http.request("QUERY", "models", content=text, headers={"content-type": "text/plain"})
        body = response.json()
        assert [m["name"] for m in body["results"]][:1] == ["painter"]
        assert (body["next"], body["previous"]) == (None, None)
    body = api.call("GET", "search", params={"query": "webhook"})
    assert set(body) == {"query", "models", "collections", "pages"}
    assert "/docs/webhooks" in [p["href"] for p in body["pages"]]
    body = api.call("QUERY", "search?limit=1", content="zebra")
    assert [m["model"]["name"] for m in body["models"]] == ["painter"]
    assert set(body["models"][0]["metadata"]) == {"generated_description", "tags", "score"}
    response = api.http.get("search")
    assert (response.status_code, response.json()["detail"]) == (400, 'Query parameter "query" is required')
    assert api.http.get("search?query=x&limit=51").status_code == 400


def test_collections(painter: str, server: LiveServer, api: Api, stranger: Api, py1: replicate.Client) -> None:
    made = api.call(
        "POST",
        "admin/collections",
        json={"slug": "stripes", "name": "Stripes", "description": "Striped things", "full_description": "# All"},
    )
    assert made["models"] == []
    api.call("POST", "admin/collections/stripes/models", json={"model": painter})
    assert stranger.http.post("admin/collections", json={"slug": "x", "name": "X"}).status_code == 404
    assert "stripes" in [c.slug for c in py1.collections.list()]
    found = py1.collections.get("stripes")
    assert found.models is not None
    assert [m.name for m in found.models] == ["painter"]
    body = stranger.call("GET", "search", params={"query": "striped"})
    assert body["collections"] == [
        {"name": "Stripes", "slug": "stripes", "description": "Striped things", "models": [painter]}
    ]
    api.call("DELETE", f"admin/collections/stripes/models/{painter}")
    assert api.call("PATCH", "admin/collections/stripes", json={"name": "S"})["models"] == []
    api.call("DELETE", "admin/collections/stripes")
    assert stranger.http.get("collections/stripes").status_code == 404


def test_hardware_is_listed_and_checked(api: Api, py1: replicate.Client) -> None:
    skus = [h.sku for h in py1.hardware.list()]
    assert skus[0] == "cpu"
    with pytest.raises(ReplicateError) as refused:
        py1.models.create("admin", "wants-gpu", visibility="private", hardware="gpu-none")
    assert refused.value.status == 400
    expected = f"gpu-none is not a valid hardware SKU. Your options are: {', '.join(skus)}"
    assert refused.value.detail == f"The following errors occurred:\n- hardware: {expected}"
    response = api.http.post(
        "models", json={"owner": "admin", "name": "x", "visibility": "private", "hardware": "gpu-none"}
    )
    assert response.json()["errors"] == [{"pointer": "/hardware", "detail": expected}]


def test_a_model_is_made_changed_and_deleted(api: Api, stranger: Api, py1: replicate.Client) -> None:
    made = py1.models.create("admin", "brief", visibility="private", hardware="cpu", description="One")
    assert (made.run_count, made.default_example, made.latest_version) == (0, None, None)
    response = api.http.post(
        "models", json={"owner": "admin", "name": "brief", "visibility": "private", "hardware": "cpu"}
    )
    assert response.status_code == 409
    assert response.json()["errors"][0]["detail"] == "A model with that name and owner already exists."
    changed = api.call("PATCH", "models/admin/brief", json={"description": "Two", "readme": "# B"})
    assert changed["description"] == "Two"
    assert api.call("PATCH", "models/admin/brief", json={}) == changed
    assert stranger.http.patch("models/admin/brief", json={"description": "x"}).status_code == 404
    assert py1.models.delete("admin/brief") is True
    assert api.http.get("models/admin/brief").status_code == 404


def test_a_version_is_deleted_with_all_that_came_of_it(
    models: Models, api: Api, py1: replicate.Client, tmp_path: Path
) -> None:
    pushed = models.push(folder(tmp_path, "shortlived"), "shortlived", public=False)
    ran = api.run(pushed.ref, {"word": "gone soon"})
    assert api.http.get(ran["output"]).status_code == 200
    refused = api.http.delete("models/admin/shortlived")
    assert (refused.status_code, "versions" in refused.json()["detail"]) == (409, True)
    model = py1.models.get("admin/shortlived")
    assert [v.id for v in model.versions.list()] == [pushed.version]
    assert model.versions.get(pushed.version).id == pushed.version
    response = api.http.delete(f"models/admin/shortlived/versions/{pushed.version}")
    assert (response.status_code, response.content) == (202, b"")
    assert api.http.get(f"models/admin/shortlived/versions/{pushed.version}").status_code == 404
    assert api.http.post("predictions", json={"version": pushed.version, "input": {}}).status_code == 422
    assert api.http.delete("models/admin/shortlived").status_code == 204
    deadline = time.monotonic() + 60
    while api.http.get(f"predictions/{ran['id']}").status_code != 404 and time.monotonic() < deadline:
        time.sleep(0.02)  # the removal tells nobody
    assert api.http.get(f"predictions/{ran['id']}").status_code == 404
    assert api.http.get(ran["output"]).status_code == 404


def test_public_versions_stay(painter: str, api: Api) -> None:
    version = api.call("GET", f"models/{painter}/versions/latest")["id"]
    refused = api.http.delete(f"models/{painter}/versions/{version}")
    assert (refused.status_code, "public" in refused.json()["detail"]) == (409, True)
    assert api.http.delete(f"models/{painter}").status_code == 409


def test_accounts_are_made_by_admins(server: LiveServer, api: Api, stranger: Api) -> None:
    made = api.call("POST", "admin/accounts", json={"username": "acme", "type": "organization", "name": "Acme"})
    assert made["token"].startswith("r8_")
    acme = Api(server, made["token"])
    with acme.http:
        account = acme.call("GET", "account")
        assert (account["type"], account["username"], account["name"]) == ("organization", "acme", "Acme")
        assert acme.http.get("admin/accounts").status_code == 404
    assert "acme" in [a["username"] for a in api.call("GET", "admin/accounts")["results"]]
    second = api.call("POST", "admin/accounts/acme/tokens", json={"name": "ci"})
    with Api(server, second["token"]).http as http:
        assert http.get("account").json()["username"] == "acme"
    assert stranger.http.post("admin/accounts", json={"username": "x"}).status_code == 404
    assert api.http.post("admin/accounts", json={"username": "acme"}).status_code == 409


def test_the_commands(server: LiveServer, painter: str, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from hearth.cli import app

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--data", str(server.data)])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "admin (user)" in run("account")
    token = run("account", "create", "initech", "--organization").splitlines()[0]
    assert token.startswith("r8_")
    assert "initech" in run("account", "list")
    assert run("token", "create", "ci", "--account", "initech").startswith("r8_")
    run("collection", "create", "best", "--name", "The best")
    run("collection", "add", "best", painter)
    assert painter in run("collection", "show", "best")
    assert json.load(io.StringIO(run("collection", "--json")))[0]["slug"] == "best"
    run("collection", "remove", "best", painter)
    run("collection", "delete", "best")
