"""`Prefer: wait` holds the answer until the end, never longer than it says; the clients then go on by themselves."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
import replicate


def test_a_held_reply_is_the_finished_prediction(api: Any, models: Any) -> None:
    for prefer, applied in (("wait", "wait"), ("wait=10", "wait=10"), ("respond-async, wait=60", "wait=60")):
        response = api.http.post(
            "predictions", json={"version": models("noop").name, "input": {"text": "hi"}}, headers={"Prefer": prefer}
        )
        assert response.status_code == 201
        assert response.headers["preference-applied"] == applied
        prediction = response.json()
        assert (prediction["status"], prediction["output"], prediction["error"]) == ("succeeded", "hi", None)
        assert prediction["completed_at"] >= prediction["started_at"] >= prediction["created_at"]
        assert response.headers["location"] == prediction["urls"]["get"]


def test_a_failure_ends_a_hold(api: Any, models: Any) -> None:
    prediction = api.create(models("failing").name, hold=30)
    assert (prediction["status"], prediction["output"]) == ("failed", None)


def test_a_hold_that_runs_out_says_starting(api: Any, models: Any) -> None:
    sleeper = models("sleeper").name
    api.create(sleeper, {"seconds": 0}, hold=30)
    for model, input in ((sleeper, {"seconds": 600}), (models("stream-paced").name, {"count": 600, "delay": 0.1})):
        began = time.monotonic()
        prediction = api.create(model, input, hold=1)
        assert 1.0 <= time.monotonic() - began < 30, "it was not the end that ended the hold"
        assert prediction["status"] == "starting"
        assert (prediction["output"], prediction["logs"], prediction["error"]) == (None, "", None)
        assert not {"started_at", "completed_at", "metrics"} & prediction.keys()
        assert all(prediction["urls"].values())
        assert api.cancelled(prediction["id"])["status"] == "canceled"


def test_without_a_preference_nothing_is_held(api: Any, models: Any) -> None:
    response = api.http.post("predictions", json={"version": models("sleeper").name, "input": {"seconds": 0.2}})
    assert (response.status_code, response.json()["status"]) == (201, "starting")
    assert "preference-applied" not in response.headers
    assert api.ended(response.json()["id"])["status"] == "succeeded"


def test_a_client_that_hangs_up_has_cancelled_nothing(api: Any, models: Any) -> None:
    sleeper = models("sleeper").name
    before = {p["id"] for p in api.call("GET", "predictions")["results"]}
    made: list[Any] = []
    patience = 0.3
    while not made:  # until the client has waited long enough for its request to have come through
        body = {"version": sleeper, "input": {"seconds": 2 * patience}}
        with pytest.raises(httpx.ReadTimeout):
            api.http.post("predictions", json=body, headers={"Prefer": "wait"}, timeout=patience)
        made = [p for p in api.call("GET", "predictions")["results"] if p["id"] not in before]
        patience *= 3
    assert made[0]["model"] == sleeper
    assert api.ended(made[0]["id"])["output"] == "slept"


def test_python_1_polls_after_a_short_hold(py1: replicate.Client, models: Any) -> None:
    assert py1.run(models("sleeper").name, input={"seconds": 1.5}, wait=1) == "slept"
    items = py1.run(models("stream-paced").ref, input={"count": 15, "delay": 0.1}, wait=1)
    assert [item.partition("@")[0] for item in items] == [str(n) for n in range(15)]


def test_python_2_polls_after_a_short_hold(py2: Any, models: Any) -> None:
    code = "return replicate.run(ref, input={'seconds': 1.5}, wait=1)"
    assert py2(code, ref=models("sleeper").name) == "slept"


def test_node_polls_after_a_short_hold(js: Any, models: Any) -> None:
    code = """
    return await replicate.run(ref, { input: { seconds: 1.5 }, wait: { mode: "block", timeout: 1, interval: 50 } });
    """
    assert js(code, ref=models("sleeper").name) == "slept"
