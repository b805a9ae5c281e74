"""The catalogue, the account and files through the other official clients: all that they have a call for.

Python 2 runs with its own strict validation, so an answer that lacks a field or has another type fails here.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import replicate

from hearth.testing.programs import Program, ProgramError

from .conftest import Api, Model, Models

PREDICT = """
from cog import BasePredictor, Input


class Predictor(BasePredictor):
    def run(self, animal: str = Input(default="walrus")) -> str:
        return f"a {animal} of marble"
"""
ABOUT = "description: Carves walruses.\nvisibility: public\nreadme: ABOUT.md\nexamples:\n  - animal: seal\n"
README = "# Sculptor\n\nAnimals of marble.\n"
Strict = Callable[..., Any]


class Shelf(NamedTuple):
    model: Model
    example: str
    """The id of its only example."""
    collection: str


def push(models: Models, scratch: Any, name: str, about: str | None = None) -> Model:
    folder = scratch / name
    folder.mkdir()
    folder.joinpath("cog.yaml").write_text('build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n')
    folder.joinpath("predict.py").write_text(PREDICT)
    folder.joinpath("ABOUT.md").write_text(README)
    if about is not None:
        folder.joinpath("hearth.yaml").write_text(about)
    return models.push(folder, name, public=False)


@pytest.fixture(scope="module")
def shelf(models: Models, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A public model with a readme and an example, and the collection that it is in."""
    model = push(models, tmp_path_factory.mktemp("shelf"), "sculptor", ABOUT)
    (example,) = [p["id"] for p in api.call("GET", "predictions")["results"] if p["model"] == model.name]
    assert api.ended(example)["status"] == "succeeded"
    api.call("POST", "admin/collections", json={"slug": "marble", "name": "Marble", "description": "Heavy things"})
    api.call("POST", "admin/collections/marble/models", json={"model": model.name})
    yield Shelf(model, example, "marble")
    api.call("DELETE", "admin/collections/marble")


@pytest.fixture(scope="module")
def strict(py2: Program) -> Strict:
    """Python 2 with a `client` that validates what it is answered."""

    def run(code: str, **values: Any) -> Any:
        client = "client = replicate.Replicate(_strict_response_validation=True)"
        return py2(f"{client}\n{textwrap.dedent(code)}", **values)

    return run


def test_python_1_has_the_rest(py1: replicate.Client, models: Models, tmp_path: Any, api: Api) -> None:
    account = py1.accounts.current()
    assert (account.type, account.username) == ("user", "admin")
    pushed = push(models, tmp_path, "clay")
    model = py1.models.get(pushed.name)
    model.reload()
    assert model.versions.delete(pushed.version) is False, "this client takes only a 204 for success, the API sends 202"
    assert api.http.get(f"models/{pushed.name}/versions/{pushed.version}").status_code == 404
    assert model.versions.list().results == []
    assert py1.models.delete(pushed.name) is True


def test_python_2_reads_the_catalogue(strict: Strict, shelf: Shelf) -> None:
    code = """
    where = dict(model_owner="admin", model_name="sculptor")
    found = client.models.get(**where)
    (example,) = client.models.examples.list(**where)
    version = client.models.versions.get(**where, version_id=version_id)
    orders = [
        [each.name for each in client.models.list(sort_by=by, sort_direction=direction)]
        for by in ("model_created_at", "latest_version_created_at") for direction in ("asc", "desc")
    ]
    collection = client.collections.get(collection_slug=slug)
    return dict(
        model=[found.description, found.visibility, found.latest_version.id, found.default_example["id"]],
        readme=client.models.readme.get(**where),
        example=[example.id, example.status, example.output],
        version=[version.id, version.openapi_schema["components"]["schemas"]["Output"]["type"]],
        versions=[each.id for each in client.models.versions.list(**where)],
        orders=orders,
        collections=[each.slug for each in client.collections.list()],
        collection=[collection.name, collection.description, [model.name for model in collection.models]],
    )
    """
    said = strict(code, slug=shelf.collection, version_id=shelf.model.version)
    orders = said.pop("orders")
    assert all("sculptor" in names for names in orders)
    assert [orders[0], orders[2]] == [orders[1][::-1], orders[3][::-1]]
    assert shelf.collection in said.pop("collections")
    assert said == {
        "model": ["Carves walruses.", "public", shelf.model.version, shelf.example],
        "readme": README,
        "example": [shelf.example, "succeeded", "a seal of marble"],
        "version": [shelf.model.version, "string"],
        "versions": [shelf.model.version],
        "collection": ["Marble", "Heavy things", ["sculptor"]],
    }


def test_python_2_searches(strict: Strict, shelf: Shelf) -> None:
    code = """
    found = client.search(query="walruses", limit=1)
    return dict(
        models=[each.name for each in client.models.search(body="walruses")],
        search=[found.query, [[each.model.name, each.metadata.score > 0] for each in found.models]],
        collections=[[each.slug, each.models] for each in client.search(query="heavy things").collections],
        pages=[each.href for each in client.search(query="webhook").pages],
    )
    """
    said = strict(code)
    assert said["models"][0] == "sculptor"
    assert said["search"] == ["walruses", [["sculptor", True]]]
    assert said["collections"] == [["marble", [shelf.model.name]]]
    assert "/docs/webhooks" in said["pages"]


def test_python_2_manages_a_model(strict: Strict, models: Models, tmp_path: Any, api: Api) -> None:
    code = """
    where = dict(model_owner="admin", model_name="plaster")
    made = client.models.create(owner="admin", name="plaster", visibility="private", hardware="cpu", description="One")
    changed = client.models.update(**where, description="Two", readme="# P", github_url="https://github.com/a/b")
    same = client.models.update(**where)
    found, readme = client.models.get(**where), client.models.readme.get(**where)
    client.models.delete(**where)
    return [
        [made.description, made.run_count, made.latest_version], changed.description, same.description,
        [found.description, found.github_url, found.visibility], readme,
    ]
    """
    github = "https://github.com/a/b"
    assert strict(code) == [["One", 0, None], "Two", "Two", ["Two", github, "private"], "# P"]
    assert api.http.get("models/admin/plaster").status_code == 404
    pushed = push(models, tmp_path, "wax")
    delete = 'client.models.versions.delete(model_owner="admin", model_name="wax", version_id=version)'
    strict(delete, version=pushed.version)
    assert api.http.get(f"models/{pushed.name}/versions/{pushed.version}").status_code == 404
    strict('client.models.delete(model_owner="admin", model_name="wax")')
    with pytest.raises(ProgramError) as missing:
        strict(delete, version=pushed.version)
    assert (missing.value.kind, missing.value.status) == ("NotFoundError", 404)


def test_python_2_reads_account_hardware_and_secret(strict: Strict, api: Api) -> None:
    code = """
    account = client.account.get()
    hardware = [[each.sku, each.name] for each in client.hardware.list()]
    return [[account.type, account.username], hardware, client.webhooks.default.secret.get().key]
    """
    hardware = [[each["sku"], each["name"]] for each in api.call("GET", "hardware")]
    secret = api.call("GET", "webhooks/default/secret")["key"]
    assert strict(code) == [["user", "admin"], hardware, secret]


def test_python_2_downloads_a_file(strict: Strict) -> None:
    code = """
    import hashlib, urllib.parse
    made = client.files.create(content=b"x" * 300_000, filename="big.bin", type="application/x-thing")
    listed = [each.id for each in client.files.list()]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(client.files.get(file_id=made.id).urls.download).query))
    where = dict(file_id=made.id, owner=query["owner"], expiry=int(query["expiry"]), signature=query["signature"])
    content = client.files.download(**where).read()
    client.files.delete(file_id=made.id)
    try:
        client.files.download(**where)
    except replicate.NotFoundError as error:
        after = error.status_code
    return [made.content_type, made.id in listed, hashlib.sha256(content).hexdigest(), made.checksums.sha256, after]
    """
    digest = hashlib.sha256(b"x" * 300_000).hexdigest()
    assert strict(code) == ["application/x-thing", True, digest, digest, 404]


def test_anybody_with_the_link_downloads_a_file(py1: replicate.Client, api: Api, tmp_path: Any) -> None:
    path = tmp_path / "note.txt"
    path.write_text("for you")
    link = py1.files.create(path).urls["download"]
    with httpx.Client(verify=False, trust_env=False) as anybody:
        assert anybody.get(link).text == "for you"
        assert anybody.get(link.replace("owner=admin", "owner=other")).status_code == 404
    assert api.http.get(link).text == "for you", "a token does no harm"


def test_node_reads_the_catalogue(js: Program, shelf: Shelf, api: Api) -> None:
    code = """
    const pages = [];
    for await (const page of replicate.paginate(replicate.models.list)) pages.push(...page);
    const model = await replicate.models.get("admin", "sculptor");
    const collection = await replicate.collections.get(slug);
    const version = await replicate.models.versions.get("admin", "sculptor", versionId);
    const account = await replicate.accounts.current();
    return {
      listed: pages.some(({ name }) => name === "sculptor"),
      model: [model.description, model.default_example.id],
      version: [version.id, (await replicate.models.versions.list("admin", "sculptor")).results.length],
      found: (await replicate.models.search("walruses")).results[0].name,
      collection: [collection.name, collection.models.map(({ name }) => name)],
      collections: (await replicate.collections.list()).results.some((each) => each.slug === slug),
      account: [account.type, account.username],
      hardware: await replicate.hardware.list(),
      secret: (await replicate.webhooks.default.secret.get()).key,
    };
    """
    assert js(code, slug=shelf.collection, versionId=shelf.model.version) == {
        "listed": True,
        "model": ["Carves walruses.", shelf.example],
        "version": [shelf.model.version, 1],
        "found": "sculptor",
        "collection": ["Marble", ["sculptor"]],
        "collections": True,
        "account": ["user", "admin"],
        "hardware": api.call("GET", "hardware"),
        "secret": api.call("GET", "webhooks/default/secret")["key"],
    }
