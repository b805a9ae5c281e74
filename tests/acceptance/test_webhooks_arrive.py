"""Signed, filtered, throttled, retried, visible and repeatable."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import replicate

from hearth.testing.programs import ProgramError


def kinds(caught: Any) -> list[tuple[str, Any]]:
    return [(c.json()["status"], c.json()["output"]) for c in caught]


def test_start_and_completed_are_two_signed_requests(
    api: Any, py1: replicate.Client, js: Any, models: Any, hooks: Any
) -> None:
    url = hooks.url + "?job=7&x=ü"
    created = api.create(
        models("output-concatenate").name, {"text": "a b"}, webhook=url, webhook_events_filter=["start", "completed"]
    )
    assert (created["webhook"], created["webhook_events_filter"]) == (url, ["start", "completed"])
    start, completed = hooks.until_completed(created["id"])
    assert kinds([start, completed]) == [("processing", None), ("succeeded", ["a", " b"])]
    assert completed.path.endswith("?job=7&x=%C3%BC")
    assert completed.json() == api.get(created["id"])

    secret = py1.webhooks.default.secret()
    code = """
    const secret = (await replicate.webhooks.default.secret.get()).key;
    return await validateWebhook({ id, timestamp, signature, body, secret });
    """
    for caught in (start, completed):
        body = caught.body.decode()
        py1.webhooks.validate(headers=caught.headers, body=body, secret=secret, tolerance=60)
        with pytest.raises(replicate.webhook.InvalidSignatureError):
            py1.webhooks.validate(headers=caught.headers, body=body + " ", secret=secret)
        parts = {name: caught.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")}
        assert js(code, body=body, **parts) is True
        assert js(code, body=body + " ", **parts) is False
        assert caught.headers["content-type"] == "application/json"
    assert start.headers["webhook-id"] != completed.headers["webhook-id"]


def test_python_2_reads_the_same_secret(py1: replicate.Client, py2: Any) -> None:
    key = py1.webhooks.default.secret().key
    assert key.startswith("whsec_")
    assert py2("return replicate.Replicate().webhooks.default.secret.get().key") == key


def test_without_a_filter_outputs_and_the_end_are_sent(py1: replicate.Client, models: Any, hooks: Any) -> None:
    made = py1.predictions.create(models("output-concatenate").version, input={"text": "a"}, webhook=hooks.url)
    caught = hooks.until_completed(made.id)
    assert kinds(caught)[-1] == ("succeeded", ["a"])
    assert all(c.json()["output"] for c in caught)


def test_outputs_come_at_most_twice_a_second(api: Any, models: Any, hooks: Any) -> None:
    created = api.create(
        models("stream-paced").name,
        {"count": 40, "delay": 0.05},
        webhook=hooks.url,
        webhook_events_filter=["output", "completed"],
    )
    *outputs, completed = hooks.until_completed(created["id"])
    assert 3 <= len(outputs) <= 6  # two seconds of chunks
    lengths = [len(c.json()["output"]) for c in outputs]
    assert lengths == sorted(lengths)
    assert all(c.json()["status"] == "processing" for c in outputs[:-1])
    assert len(completed.json()["output"]) == 40


def test_logs_are_sent_while_it_runs(api: Any, models: Any, hooks: Any) -> None:
    created = api.create(
        models("sleeper").name, {"seconds": 0.3}, webhook=hooks.url, webhook_events_filter=["logs", "completed"]
    )
    first = hooks.until_completed(created["id"])[0].json()
    assert (first["status"], first["logs"]) == ("processing", "sleeping 0.3 s, python\n")


@pytest.mark.parametrize(("model", "status"), [("failing", "failed"), ("setup-fails", "failed"), ("noop", "succeeded")])
def test_every_end_is_told_once(model: str, status: str, api: Any, models: Any, hooks: Any) -> None:
    created = api.create(models(model).name, webhook=hooks.url, webhook_events_filter=["completed"])
    [completed] = hooks.until_completed(created["id"])
    assert completed.json()["status"] == status


def test_a_cancel_is_told(api: Any, models: Any, hooks: Any) -> None:
    created = api.create(models("sleeper").name, {"seconds": 600}, webhook=hooks.url)
    api.cancel(created["id"])
    assert hooks.until_completed(created["id"])[-1].json()["status"] == "canceled"


def test_a_refused_webhook_is_sent_again_and_its_attempts_are_seen(
    api: Any, server: Any, models: Any, hooks: Any
) -> None:
    answers = {"processing": iter([500]), "succeeded": iter([500, 503, 200])}
    hooks.catcher.answer = lambda caught: next(answers[caught.json()["status"]], 200)
    created = api.create(
        models("noop").name, {"text": "hi"}, webhook=hooks.url, webhook_events_filter=["output", "completed"]
    )
    completed = [c for c in hooks.wait(3) if c.json()["status"] == "succeeded"]
    while len(completed) < 3:
        completed = [c for c in hooks.wait(len(hooks.caught) + 1) if c.json()["status"] == "succeeded"]
    assert len({c.headers["webhook-id"] for c in completed}) == 1
    assert len({c.body for c in completed}) == 1

    shown = _delivered(api, created["id"])
    delivery = next(d for d in shown if d["event"] == "completed")
    assert (delivery["state"], delivery["url"]) == ("delivered", hooks.url)
    assert [(a["number"], a["status"]) for a in delivery["attempts"]] == [(1, 500), (2, 503), (3, 200)]
    listed = api.call("GET", "webhooks/deliveries")["results"]
    assert delivery["id"] in [d["id"] for d in listed]

    told = json.loads(server.hearth("webhooks", created["id"], "--json").stdout)
    assert [len(d["attempts"]) for d in told if d["event"] == "completed"] == [3]
    table = server.hearth("webhooks", created["id"]).stdout
    assert "delivered" in table
    assert hooks.url in table


def _delivered(api: Any, id: str) -> Any:
    """Deliveries of a prediction, once the last answer has been written down."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = api.call("GET", f"predictions/{id}/webhooks")["results"]
        if all(d["state"] != "pending" for d in found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"still pending: {found}")


def test_a_delivery_is_replayed(api: Any, server: Any, models: Any, hooks: Any) -> None:
    created = api.create(models("noop").name, webhook=hooks.url, webhook_events_filter=["completed"])
    [first] = hooks.until_completed(created["id"])
    [delivery] = _delivered(api, created["id"])
    server.hearth("webhooks", "--replay", delivery["id"])
    second = hooks.wait(2)[1]
    assert second.body == first.body
    assert second.headers["webhook-id"] == first.headers["webhook-id"]
    assert server.hearth("webhooks", "--replay", "nothing", check=False).returncode == 1


def test_a_redirect_is_not_followed(api: Any, models: Any, hooks: Any) -> None:
    hooks.catcher.answer = lambda caught: 302
    created = api.create(models("noop").name, webhook=hooks.url, webhook_events_filter=["completed"])
    hooks.wait(1)
    assert _attempted(api, created["id"])["status"] == 302
    [delivery] = api.call("GET", f"predictions/{created['id']}/webhooks")["results"]
    assert delivery["state"] == "pending"


def _attempted(api: Any, id: str) -> Any:
    """The first attempt at any webhook of a prediction, once it has been written down."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = api.call("GET", f"predictions/{id}/webhooks")["results"]
        if attempts := [attempt for delivery in found for attempt in delivery["attempts"]]:
            return attempts[0]
        time.sleep(0.02)
    raise AssertionError(f"nothing was attempted: {found}")


@pytest.mark.parametrize("url", ["not a url", "ftp://example.org/x", "http://", "/relative"])
def test_a_webhook_must_be_an_address(url: str, api: Any, models: Any) -> None:
    body = {"version": models("noop").name, "input": {}, "webhook": url}
    response = api.http.post("predictions", json=body)
    assert response.status_code in (400, 422)
    assert "webhook" in response.json()["detail"]


def test_cloud_metadata_gets_no_webhook(api: Any, models: Any) -> None:
    created = api.create(models("noop").name, hold=30, webhook="http://169.254.169.254/hook")
    attempt = _attempted(api, created["id"])
    assert attempt["status"] is None
    assert "169.254.169.254" in attempt["error"]


def test_node_asks_for_webhooks(js: Any, models: Any, hooks: Any) -> None:
    code = """
    const made = await replicate.predictions.create({
      version, input: { text: "hi" }, webhook: url, webhook_events_filter: ["completed"],
    });
    return made.id;
    """
    id = js(code, version=models("noop").version, url=hooks.url)
    [completed] = hooks.until_completed(id)
    assert completed.json()["output"] == "hi"
    with pytest.raises(ProgramError, match="Invalid webhook URL"):
        js(code, version=models("noop").version, url="no url")
