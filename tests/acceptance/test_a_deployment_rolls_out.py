"""Deployments: every operation, and releases that change while predictions come without a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate

from hearth.testing.live import LiveServer

from .conftest import Api, Model, Models

CODE = """
import time
from cog import BaseRunner, Input

class Predictor(BaseRunner):
    def setup(self) -> None:
        time.sleep({boot})
        {setup}

    def run(self, text: str = "", delay: float = 0) -> str:
        time.sleep(delay)
        return "{word}"
"""
PATIENCE = 30.0


def write(models: Models, word: str, *, boot: float = 0, setup: str = "pass", name: str = "greeter") -> Model:
    """A version of the greeter that answers `word`."""
    return models.write(name, CODE.format(word=word, boot=boot, setup=setup))


def create(api: Api, name: str, model: Model, **fields: Any) -> Any:
    body = {"name": name, "model": model.name, "version": model.version, "hardware": "cpu"}
    return api.call("POST", "deployments", json={**body, "min_instances": 0, "max_instances": 2, **fields})


def run(api: Api, name: str, **input: Any) -> Any:
    """The held prediction of a deployment."""
    response = api.http.post(
        f"deployments/admin/{name}/predictions", json={"input": input}, headers={"Prefer": "wait=60"}
    )
    assert response.status_code == 201, response.text
    return response.json()


def until(api: Api, name: str, **wanted: Any) -> Any:
    """The deployment, once it is as `wanted`: what the caller of the API has to do as well."""
    end = time.monotonic() + PATIENCE
    while True:
        found = api.call("GET", f"deployments/admin/{name}")
        if all(found[key] == value for key, value in wanted.items()):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def instances(api: Api, name: str) -> list[Any]:
    found = api.call("GET", "admin/instances")["results"]
    return [each for each in found if each["deployment"] == f"admin/{name}"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Models]]:
    """A server where deployments can be deleted soon."""
    variables = {"HEARTH_DEPLOYMENT_QUIET": "1", "HEARTH_CANCEL_GRACE": "1", "HEARTH_MAX_INSTANCES": "16"}
    data = tmp_path_factory.mktemp("deployments")
    with LiveServer(data, tls=False, variables=variables) as server:
        api = Api(server)
        with api.http:
            yield api, Models(server, tmp_path_factory.mktemp("models"))


def test_python_1_has_every_operation(py1: replicate.Client, models: Models, api: Api) -> None:
    first = write(models, "hello")
    made = py1.deployments.create(
        name="admin/py-app", model=first.name, version=first.version, hardware="cpu", min_instances=0, max_instances=2
    )
    assert (made.owner, made.name) == ("admin", "py-app")
    release = made.current_release
    assert (release.number, release.model, release.version) == (1, first.name, first.version)
    assert release.created_by.username == "admin"
    bounds = release.configuration
    assert (bounds.hardware, bounds.min_instances, bounds.max_instances) == ("cpu", 0, 2)
    prediction = made.predictions.create(input={"text": "x"})
    prediction.wait()
    assert (prediction.status, prediction.output) == ("succeeded", "hello")
    assert (prediction.model, prediction.version) == (first.name, first.version)
    assert api.get(prediction.id)["deployment"] == "admin/py-app"
    prediction = py1.deployments.predictions.create("admin/py-app", input={"text": "x"})
    prediction.wait()
    assert prediction.output == "hello"
    changed = py1.deployments.update("admin", "py-app", max_instances=3)
    assert (changed.current_release.number, changed.current_release.configuration.max_instances) == (2, 3)
    assert py1.deployments.get("admin/py-app").current_release.number == 2
    assert "py-app" in [each.name for each in py1.deployments.list()]
    with pytest.raises(replicate.exceptions.ReplicateError, match="offline and unused for 15 minutes"):
        py1.deployments.delete("admin", "py-app")


PY2 = """
made = replicate.deployments.create(
    name="{name}", model="{model}", version="{version}", hardware="cpu", min_instances=0, max_instances=1
)
changed = replicate.deployments.update(deployment_owner="admin", deployment_name="{name}", max_instances=2)
same = replicate.deployments.update(deployment_owner="admin", deployment_name="{name}")
prediction = replicate.deployments.predictions.create(
    deployment_owner="admin", deployment_name="{name}", input={{"text": "x"}}, prefer="wait=60"
)
found = replicate.deployments.get(deployment_owner="admin", deployment_name="{name}")
listed = [each.name for each in replicate.deployments.list()]
return [
    made.current_release.number, changed.current_release.number, same.current_release.number, prediction.output,
    found.current_release.configuration.max_instances, "{name}" in listed,
]
"""
JS = """
const [owner, name] = ["admin", "{name}"];
const made = await replicate.deployments.create({{
  name, model: "{model}", version: "{version}", hardware: "cpu", min_instances: 0, max_instances: 1,
}});
const changed = await replicate.deployments.update(owner, name, {{ max_instances: 2 }});
const same = await replicate.deployments.update(owner, name, {{}});
let prediction = await replicate.deployments.predictions.create(owner, name, {{ input: {{ text: "x" }} }});
prediction = await replicate.wait(prediction);
const found = await replicate.deployments.get(owner, name);
const listed = (await replicate.deployments.list()).results.map((each) => each.name);
return [
  made.current_release.number, changed.current_release.number, same.current_release.number, prediction.output,
  found.current_release.configuration.max_instances, listed.includes(name),
];
"""


@pytest.mark.parametrize("client", ["py2", "js"])
def test_other_clients_have_them_too(client: str, models: Models, request: pytest.FixtureRequest) -> None:
    program, model, text = request.getfixturevalue(client), write(models, "hello"), {"py2": PY2, "js": JS}[client]
    name = f"{client}-app"
    said = program(text.format(name=name, model=model.name, version=model.version))
    assert said == [1, 2, 2, "hello", 2, True]


def test_an_unchanged_update_makes_no_release(api: Api, models: Models) -> None:
    model = write(models, "hello")
    made = create(api, "same", model)
    for body in ({}, {"max_instances": 2}, {"version": "latest"}, {"version": model.version, "hardware": "cpu"}):
        assert api.call("PATCH", "deployments/admin/same", json=body) == made
    assert api.call("PATCH", "deployments/admin/same", json={"min_instances": 1})["current_release"]["number"] == 2
    api.call("PATCH", "deployments/admin/same", json={"min_instances": 0, "max_instances": 0})


def test_they_are_listed_newest_first_and_only_to_their_owner(api: Api, other: Api, models: Models) -> None:
    model = write(models, "hello")
    for name in ("list-a", "list-b"):
        create(api, name, model)
    names = [each["name"] for each in api.call("GET", "deployments")["results"]]
    assert names.index("list-b") < names.index("list-a")
    assert other.call("GET", "deployments")["results"] == []
    for method, path in (
        ("GET", "deployments/admin/list-a"),
        ("PATCH", "deployments/admin/list-a"),
        ("DELETE", "deployments/admin/list-a"),
        ("POST", "deployments/admin/list-a/predictions"),
    ):
        body = {"json": {"input": {}}} if method in ("POST", "PATCH") else {}
        assert other.http.request(method, path, **body).status_code == 404


def test_what_is_wrong_is_pointed_at(api: Api, models: Models) -> None:
    model = write(models, "hello")
    body = {"name": "wrong", "model": model.name, "version": model.version, "hardware": "cpu"}
    bounds = {"min_instances": 0, "max_instances": 1}
    for change, pointers in (
        ({"name": "Not A Name"}, ["/name"]),
        ({"name": "other/app"}, ["/name"]),
        ({"model": "admin/none"}, ["/model"]),
        ({"version": "f" * 64}, ["/version"]),
        ({"version": "1.0"}, ["/version"]),
        ({"hardware": "gpu-t4000"}, ["/hardware"]),
        ({"min_instances": 6, "max_instances": 21}, ["/min_instances", "/max_instances"]),
        ({"min_instances": 2}, ["/min_instances"]),
        ({"min_instances": -1, "hardware": ""}, ["/hardware", "/min_instances"]),
    ):
        response = api.http.post("deployments", json={**body, **bounds, **change})
        assert response.status_code == 400, response.text
        assert [each["pointer"] for each in response.json()["errors"]] == pointers
    response = api.http.post("deployments", json={**body, "hardware": "gpu-t4000", **bounds})
    detail = response.json()["errors"][0]["detail"]
    assert detail.startswith("gpu-t4000 is not a valid hardware SKU. Your options are: cpu")
    create(api, "taken", model)
    response = api.http.post("deployments", json={**body, **bounds, "name": "taken"})
    assert response.status_code == 409
    assert response.json()["errors"][0]["detail"] == "A deployment with that name and owner already exists."
    response = api.http.patch("deployments/admin/taken", json={"model": "admin/other"})
    assert [each["pointer"] for each in response.json()["errors"]] == ["/model"]
    response = api.http.post("deployments/admin/taken/predictions", json={"input": {"delay": "long"}})
    assert response.status_code == 422


def test_a_disabled_one_refuses_and_ends_what_runs(quick: tuple[Api, Models]) -> None:
    api, models = quick
    create(api, "off", write(models, "hello"), min_instances=1)
    until(api, "off", status="live")
    response = api.http.post("deployments/admin/off/predictions", json={"input": {"delay": 60}})
    id = response.json()["id"]
    api.until(id, "started")
    changed = api.call("PATCH", "deployments/admin/off", json={"min_instances": 0, "max_instances": 0})
    assert changed["status"] == "disabled"
    assert api.ended(id)["status"] == "canceled"
    response = api.http.post("deployments/admin/off/predictions", json={"input": {}})
    assert response.status_code == 409
    assert response.json()["detail"] == "The deployment admin/off is disabled: its max_instances is 0."
    api.call("PATCH", "deployments/admin/off", json={"max_instances": 1})
    assert run(api, "off")["output"] == "hello"


def test_it_is_deleted_once_it_is_offline_and_quiet(quick: tuple[Api, Models]) -> None:
    api, models = quick
    create(api, "old", write(models, "hello"), min_instances=1)
    until(api, "old", status="live")
    assert run(api, "old")["status"] in ("succeeded", "processing")
    response = api.http.delete("deployments/admin/old")
    assert response.status_code == 409
    assert "it runs 1 instance." in response.json()["detail"]
    api.call("PATCH", "deployments/admin/old", json={"min_instances": 0, "max_instances": 0})
    end = time.monotonic() + PATIENCE
    while (response := api.http.delete("deployments/admin/old")).status_code != 204:
        assert "offline and unused for a second" in response.json()["detail"]
        assert time.monotonic() < end
        time.sleep(0.2)  # the rule is about time
    assert api.http.get("deployments/admin/old").status_code == 404
    assert api.http.delete("deployments/admin/old").status_code == 404


DELETED = {
    "py2": """
    client = replicate.Replicate(base_url=f"{url}/v1", bearer_token=token)
    return client.deployments.delete(deployment_owner="admin", deployment_name=name)
    """,
    "js": """
    const client = new Replicate({ baseUrl: `${url}/v1`, auth: token });
    return await client.deployments.delete("admin", name);
    """,
}


@pytest.mark.parametrize("client", ["py1", "py2", "js"])
def test_every_client_deletes(client: str, quick: tuple[Api, Models], request: pytest.FixtureRequest) -> None:
    api, models = quick
    name, url, token = f"old-{client}", api.server.url, api.server.token
    create(api, name, write(models, "hello"))  # nothing has run in it, so nothing keeps it
    if client == "py1":
        official = replicate.Client(api_token=token, base_url=url)
        assert official.deployments.delete("admin", name) is True
        official._client.close()
    else:
        said = request.getfixturevalue(client)(DELETED[client], url=url, token=token, name=name)
        assert said is {"py2": None, "js": True}[client]
    assert api.http.get(f"deployments/admin/{name}").status_code == 404


class Load:
    """Predictions of a deployment without a pause, from several callers."""

    def __init__(self, api: Api, name: str, callers: int = 3) -> None:
        self.answers: list[tuple[str, Any, str | None]] = []
        self._url, self._token, self._name = api.server.url, api.server.token, name
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]

    def _call(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}", "Prefer": "wait=60"}
        with httpx.Client(base_url=self._url + "/v1/", headers=headers, timeout=90, trust_env=False) as http:
            while not self._stop.is_set():
                response = http.post(f"deployments/admin/{self._name}/predictions", json={"input": {"delay": 0.01}})
                body = response.json()
                self.answers.append((str(response.status_code), body.get("output"), body.get("error")))

    def until(self, word: str) -> None:
        """Until an answer is this one."""
        end = time.monotonic() + PATIENCE
        while not self.answers or self.answers[-1][1] != word:
            assert time.monotonic() < end, self.answers[-5:]
            time.sleep(0.02)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_releases_change_under_load_and_no_prediction_fails(quick: tuple[Api, Models]) -> None:
    api, models = quick
    versions = [write(models, word, boot=0.3, name="loaded") for word in ("one", "two", "three")]
    create(api, "loaded", versions[0], min_instances=1)
    until(api, "loaded", status="live")
    with Load(api, "loaded") as load:
        load.until("one")
        for number, (model, word) in enumerate(zip(versions[1:], ("two", "three"), strict=True), 2):
            changed = api.call("PATCH", "deployments/admin/loaded", json={"version": model.version})
            assert (changed["status"], changed["serving_release"]) == ("rolling_out", number - 1)
            until(api, "loaded", status="live", serving_release=number)
            load.until(word)
        back = api.call("PATCH", "deployments/admin/loaded", json={"version": versions[0].version})
        assert back["current_release"]["number"] == 4
        load.until("one")
    assert {(status, error) for status, _, error in load.answers} == {("201", None)}
    assert {output for _, output, _ in load.answers} == {"one", "two", "three"}
    assert len(load.answers) > 50


def test_a_broken_release_never_takes_traffic(quick: tuple[Api, Models]) -> None:
    api, models = quick
    good = write(models, "good", name="broken")
    bad = write(models, "bad", setup='raise RuntimeError("no weights here")', name="broken")
    create(api, "broken", good, min_instances=1)
    until(api, "broken", status="live")
    with Load(api, "broken") as load:
        load.until("good")
        api.call("PATCH", "deployments/admin/broken", json={"version": bad.version})
        found = until(api, "broken", status="failed")
        assert "no weights here" in found["because"]
        assert (found["current_release"]["number"], found["serving_release"]) == (2, 1)
        seen = len(load.answers)
        while len(load.answers) < seen + 20:
            time.sleep(0.02)
    assert set(load.answers) == {("201", "good", None)}
    shown = api.server.hearth("deployment", "show", "broken").stdout
    assert "failed: The model's setup failed" in shown


def test_a_killed_server_goes_on_with_the_rollout(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", tls=False) as server:
        models, api = Models(server, tmp_path), Api(server)
        with api.http:
            old, new = write(models, "old"), write(models, "new", boot=3)
            create(api, "app", old, min_instances=1)
            until(api, "app", status="live")
            assert run(api, "app")["output"] == "old"
            waiting = api.call("POST", "deployments/admin/app/predictions", json={"input": {"delay": 0.5}})["id"]
            api.until(waiting, "started")
            changed = api.call("PATCH", "deployments/admin/app", json={"version": new.version})
            assert changed["status"] == "rolling_out"
            server.kill()
            server.start()
            assert api.ended(waiting)["output"] == "old"
            found = until(api, "app", status="live")
            assert found["serving_release"] == 2
            assert len({each["id"] for each in instances(api, "app") if each["version"] == new.version}) == 1
            time.sleep(1.1)  # a route may be that old
            assert run(api, "app")["output"] == "new"


def test_the_commands(quick: tuple[Api, Models]) -> None:
    api, models = quick
    model = write(models, "hello", name="commanded")
    hearth = api.server.hearth
    assert hearth("deployment", "create", "by-command", model.name, "--max", "2").stdout.strip() == "admin/by-command"
    assert run(api, "by-command")["output"] == "hello"
    assert "admin/by-command" in hearth("ps").stdout
    assert "admin/by-command" in hearth("deployments").stdout
    shown = hearth("deployment", "show", "admin/by-command").stdout
    assert "instances  0 to 2" in shown
    said = hearth("deployment", "update", "by-command", "--max", "0")
    assert "Release 2 is disabled" in said.stderr
    refused = hearth("deployment", "update", "by-command", check=False)
    assert (refused.returncode, "Nothing to change" in refused.stderr) == (1, True)
