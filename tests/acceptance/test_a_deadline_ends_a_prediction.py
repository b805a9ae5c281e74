"""`Cancel-After`: what has not started by then never does, what runs is cancelled. Clients know only `canceled`."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_deadline_ends_what_waits_and_what_runs(api: Any, models: Any) -> None:
    ref = models("sleeper").name
    running = api.create(ref, {"seconds": 600}, headers={"Cancel-After": "5s"})
    api.until(running["id"], "started")
    blocked = api.create(ref, {"seconds": 600})
    waiting = api.create(ref, {"seconds": 600}, headers={"Cancel-After": "5"})
    assert waiting["deadline"] > waiting["created_at"]

    ran, waited = api.ended(running["id"]), api.ended(waiting["id"])
    assert (ran["status"], waited["status"]) == ("canceled", "canceled")
    assert ran["started_at"]
    assert waited["started_at"] is None
    assert waited["completed_at"]
    assert [e["kind"] for e in api.follow(waiting["id"])][-1] == "aborted"
    assert [e["kind"] for e in api.follow(running["id"])][-1] == "canceled"
    assert api.cancelled(blocked["id"])["status"] == "canceled"


def test_a_held_reply_knows_of_the_deadline(api: Any, models: Any) -> None:
    prediction = api.create(models("async-sleeper").name, {"seconds": 600}, hold=30, headers={"Cancel-After": "5s"})
    assert prediction["status"] == "canceled"
    assert prediction["metrics"]["total_time"] < 10


@pytest.mark.parametrize("text", ["4", "4s", "0", "-5", "soon", "25h", "5 s", ""])
def test_other_durations_are_refused(text: str, api: Any, models: Any) -> None:
    body = {"version": models("noop").name, "input": {}}
    response = api.http.post("predictions", json=body, headers={"Cancel-After": text})
    assert response.status_code in (400, 422)
    assert "5 s" in response.json()["detail"] or "duration" in response.json()["detail"].lower()


@pytest.mark.parametrize("text", ["5", "30s", "5m", "2h", "1h30m45s", "24h"])
def test_durations_in_every_unit(text: str, api: Any, models: Any) -> None:
    created = api.create(models("noop").name, hold=30, headers={"Cancel-After": text})
    assert created["status"] == "succeeded"
    assert created["deadline"]


def test_python_2_sets_a_deadline(py2: Any, models: Any) -> None:
    code = """
    made = replicate.Replicate().predictions.create(version=ref, input={"text": "hi"}, cancel_after="1m", prefer="wait")
    return [made.status, made.deadline is not None]
    """
    assert py2(code, ref=models("noop").name) == ["succeeded", True]
