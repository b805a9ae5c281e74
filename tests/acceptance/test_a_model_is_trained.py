"""A training makes a version that answers differently from its base."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate

from hearth.testing.live import LiveServer

from .conftest import Api, Hooks, Model, Models

EXAMPLE = Path(__file__).parents[2] / "examples" / "trainable"
TICKETS = (EXAMPLE / "tickets.tsv").read_text()
LETTER = "I was charged twice, please refund me"


@pytest.fixture(scope="module")
def trainable(models: Models) -> Model:
    return models.push(EXAMPLE, "trainable")


@pytest.fixture(scope="module")
def trainer(models: Models) -> Model:
    return models("trainer")


def destination(api: Api, name: str) -> str:
    body = {"owner": "admin", "name": name, "visibility": "private", "hardware": "cpu"}
    response = api.http.post("models", json=body)
    assert response.status_code in (201, 409), response.text
    return f"admin/{name}"


def trained(api: Api, id: str) -> Any:
    """The training, once it has ended."""
    api.ended(id)
    return api.call("GET", f"trainings/{id}")


def test_python_1_trains_a_model_and_runs_what_came_of_it(py1: replicate.Client, api: Api, trainable: Model) -> None:
    to = destination(api, "tickets")
    training = py1.trainings.create(
        version=trainable.ref, input={"examples_file": io.BytesIO(TICKETS.encode())}, destination=to
    )
    assert (training.status, training.output, training.model) == ("starting", None, trainable.name)
    assert training.urls is not None
    assert training.urls["get"].endswith(f"/v1/predictions/{training.id}")
    trained(api, training.id)
    training.reload()
    assert training.status == "succeeded", training.error
    assert training.logs is not None
    assert "accuracy on examples it had not seen" in training.logs
    assert training.destination == to
    assert training.output is not None
    version = training.output["version"]
    name, _, id = version.partition(":")
    assert (name, len(id)) == (to, 64)
    base = py1.run(trainable.ref, input={"text": LETTER})
    for ref in (version, to):
        output = py1.run(ref, input={"text": LETTER})
        assert output["label"] == "billing"
        assert output["labels"] == ["billing", "delivery", "software"]
    assert base["labels"] == ["bad", "good"]
    assert py1.models.get(to).latest_version.id == id
    weights = httpx.get(training.output["weights"], verify=api.http._transport._pool._ssl_context)  # type: ignore[attr-defined]
    assert set(weights.json()) == {"counts", "smoothing", "texts"}
    assert py1.trainings.get(training.id).output == training.output
    assert training.id in [t.id for t in py1.trainings.list()]
    assert training.id not in [p.id for p in py1.predictions.list()]


PY2 = """
import time
training = replicate.trainings.create(
    model_owner="admin", model_name="trainer", version_id="{version}", destination="{to}",
    input={{"text": "data:text/plain,one two two"}},
)
while training.status not in ("succeeded", "failed", "canceled"):
    time.sleep(0.1)
    training = replicate.trainings.get(training_id=training.id)
again = replicate.trainings.cancel(training_id=training.id)
listed = [each.id for each in replicate.trainings.list()]
return [training.status, training.output.version, again.status, training.id in listed]
"""
JS = """
let training = await replicate.trainings.create("admin", "trainer", "{version}", {{
  destination: "{to}", input: {{ text: "data:text/plain,one two two" }},
}});
while (!["succeeded", "failed", "canceled"].includes(training.status)) {{
  await new Promise((resolve) => setTimeout(resolve, 100));
  training = await replicate.trainings.get(training.id);
}}
const again = await replicate.trainings.cancel(training.id);
const listed = (await replicate.trainings.list()).results.map((each) => each.id);
return [training.status, training.output.version, again.status, listed.includes(training.id)];
"""


@pytest.mark.parametrize("client", ["py2", "js"])
def test_other_clients_train_too(client: str, api: Api, trainer: Model, request: pytest.FixtureRequest) -> None:
    program, to = request.getfixturevalue(client), destination(api, f"by-{client}")
    text = {"py2": PY2, "js": JS}[client]
    status, version, again, listed = program(text.format(version=trainer.version, to=to))
    assert (status, again, listed) == ("succeeded", "succeeded", True)
    assert api.run(version, {"word": "two"})["output"] == 2


def test_the_command_trains_and_prints_the_version(server: LiveServer, trainable: Model) -> None:
    said = server.hearth(
        "train", trainable.name, "admin/by-command", "--create", "-i", f"examples_file=@{EXAMPLE / 'tickets.tsv'}"
    )
    version = said.stdout.strip()
    assert version.startswith("admin/by-command:")
    answer = server.hearth("run", version, "-i", f"text={LETTER}", "--json")
    assert json.loads(answer.stdout)["output"]["label"] == "billing"
    assert "admin/by-command" in server.hearth("trainings").stdout


def test_it_is_found_under_both_paths(api: Api, trainer: Model, other: Api) -> None:
    to = destination(api, "both")
    body = {"destination": to, "input": {"text": "data:text/plain,one two two", "epochs": 2}}
    response = api.http.post(f"models/{trainer.name}/versions/latest/trainings", json=body)
    assert response.status_code == 201, response.text
    created = response.json()
    id = created["id"]
    assert response.headers["location"].endswith(f"/v1/trainings/{id}")
    assert (created["version"], created["status"], "output" in created) == (trainer.version, "starting", False)
    ended = trained(api, id)
    assert ended["status"] == "succeeded", ended["error"]
    as_prediction = api.get(id)
    assert as_prediction["output"] == ended["output"]
    assert as_prediction["urls"]["get"].endswith(f"/v1/predictions/{id}")
    assert ended["urls"]["get"].endswith(f"/v1/trainings/{id}")
    assert "epoch 2/2" in ended["logs"]
    assert set(ended["metrics"]) >= {"predict_time", "total_time"}
    run = api.run(ended["output"]["version"], {"word": "two"})
    assert (run["output"], api.run(trainer.ref, {"word": "two"})["output"]) == (4, 0)
    for path in (f"trainings/{id}", f"predictions/{id}"):
        assert other.http.get(path).status_code == 404
    assert api.http.get(f"trainings/{run['id']}").status_code == 404, "that one is a prediction"
    assert api.call("POST", f"trainings/{id}/cancel")["status"] == "succeeded"


@pytest.mark.parametrize("room", ["trainings", "predictions"])
def test_it_is_canceled(api: Api, trainer: Model, room: str, py1: replicate.Client) -> None:
    to = destination(api, "canceled")
    body = {"destination": to, "input": {"text": "data:text/plain,word", "epochs": 1000}}
    id = api.call("POST", f"models/{trainer.name}/versions/{trainer.version}/trainings", json=body)["id"]
    api.until(id, "log", "epoch 3/")
    if room == "trainings":
        training = py1.trainings.cancel(id)
        assert training.status == "canceled"
    else:
        assert api.cancel(id)["status"] == "canceled"
    ended = trained(api, id)
    assert (ended["status"], "output" in ended) == ("canceled", False)
    assert api.call("GET", f"models/{to}")["latest_version"] is None


def test_a_failed_one_says_why_and_makes_nothing(api: Api, trainer: Model) -> None:
    to = destination(api, "failed")
    body = {"destination": to, "input": {"text": "data:text/plain,word", "fail": True}}
    id = api.call("POST", f"models/{trainer.name}/versions/{trainer.version}/trainings", json=body)["id"]
    ended = trained(api, id)
    assert (ended["status"], ended["error"]) == ("failed", "RuntimeError: the loss is not a number")
    assert "RuntimeError: the loss is not a number" in ended["logs"]
    assert api.call("GET", f"models/{to}")["latest_version"] is None


def test_webhooks_tell_of_it(api: Api, trainer: Model, hooks: Hooks) -> None:
    to = destination(api, "hooked")
    body = {
        "destination": to,
        "input": {"text": "data:text/plain,word"},
        "webhook": hooks.url,
        "webhook_events_filter": ["start", "completed"],
    }
    id = api.call("POST", f"models/{trainer.name}/versions/{trainer.version}/trainings", json=body)["id"]
    start, completed = [caught.json() for caught in hooks.until_completed(id)]
    assert (start["status"], "output" in start, start["destination"]) == ("processing", False, to)
    assert completed == api.call("GET", f"trainings/{id}")
    assert completed["output"]["version"].startswith(f"{to}:")


def test_what_is_wrong_is_said(api: Api, other: Api, trainer: Model, models: Models) -> None:
    to, path = destination(api, "wrong"), f"models/{trainer.name}/versions/{trainer.version}/trainings"
    text = {"text": "data:text/plain,word"}
    missing = {"detail": "The specified training destination does not exist", "status": 404}
    for wrong in ("admin/none", "none", "", "other/mine"):
        response = api.http.post(path, json={"destination": wrong, "input": text})
        assert response.status_code == 404
        assert missing.items() <= response.json().items()
    response = other.http.post(path, json={"destination": to, "input": text})
    assert response.status_code == 404
    assert missing.items() <= response.json().items(), "it is not theirs"
    response = api.http.post(path, json={"destination": to, "input": {"epochs": 0}})
    assert response.status_code == 422
    assert {field["description"] for field in response.json()["invalid_fields"]} == {
        "text is required",
        "Must be greater than or equal to 1",
    }
    response = api.http.post(path.replace(trainer.version, "f" * 64), json={"destination": to, "input": text})
    assert response.status_code == 404
    noop = models("noop")
    response = api.http.post(
        f"models/{noop.name}/versions/{noop.version}/trainings", json={"destination": to, "input": {}}
    )
    assert response.status_code == 400
    assert response.json()["errors"] == [
        {"pointer": "/version", "detail": "admin/noop cannot be trained: its cog.yaml names no train code"}
    ]


def test_a_killed_server_runs_it_once_more(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", tls=False) as server:
        models, api = Models(server, tmp_path), Api(server)
        trainer = models("trainer")
        with api.http:
            to = destination(api, "mine")
            body = {"destination": to, "input": {"text": "data:text/plain,one two two", "epochs": 150}}
            path = f"models/{trainer.name}/versions/{trainer.version}/trainings"
            id = api.call("POST", path, json=body)["id"]
            api.until(id, "log", "epoch 10/")
            server.kill()
            server.start()
            ended = trained(api, id)
            assert ended["status"] == "succeeded", ended["error"]
            starts = [e for e in api.call("GET", f"predictions/{id}/events")["results"] if e["kind"] == "started"]
            assert [event["data"]["attempt"] for event in starts] == [1, 2]
            assert len(api.call("GET", f"models/{to}/versions")["results"]) == 1
            assert api.run(ended["output"]["version"], {"word": "two"})["output"] == 150 * 2


def test_predictions_go_on_while_it_runs(api: Api, trainer: Model) -> None:
    to = destination(api, "busy")
    body = {"destination": to, "input": {"text": "data:text/plain,word", "epochs": 1000}}
    id = api.call("POST", f"models/{trainer.name}/versions/{trainer.version}/trainings", json=body)["id"]
    second = api.call("POST", f"models/{trainer.name}/versions/{trainer.version}/trainings", json=body)["id"]
    api.until(id, "log", "epoch 3/")
    assert api.run(trainer.ref, {"word": "x"})["status"] == "succeeded"
    assert "another training is running" in api.call("GET", f"trainings/{second}")["reason"]
    for each in (second, id):
        assert api.call("POST", f"trainings/{each}/cancel")["status"] == "canceled"
