"""Cancel ends what waits at once, what runs soon, and what does not listen after a grace period."""

from __future__ import annotations

import time
from typing import Any

import replicate


def test_what_waits_is_cancelled_at_once(api: Any, models: Any) -> None:
    sleeper = models("sleeper").name
    running = api.create(sleeper, {"seconds": 600})
    api.until(running["id"], "started")
    waiting = api.create(sleeper, {"seconds": 600})
    cancelled = api.cancel(waiting["id"])
    assert (cancelled["status"], cancelled["output"], cancelled["error"]) == ("canceled", None, None)
    assert cancelled["started_at"] is None
    assert cancelled["completed_at"]
    assert api.get(running["id"])["status"] == "processing"
    assert api.cancelled(running["id"])["status"] == "canceled"


def test_what_runs_is_told_and_ends(api: Any, models: Any) -> None:
    created = api.create(models("sleeper").name, {"seconds": 600, "mode": "cleanup"})
    api.until(created["id"], "log", "sleeping")
    cancelled = api.cancelled(created["id"])
    assert cancelled["status"] == "canceled"
    assert "asked to stop\ncleaned up\n" in cancelled["logs"]
    assert cancelled["metrics"]["predict_time"] < 30


def test_an_async_model_is_told_and_ends(api: Any, models: Any) -> None:
    ref = models("async-sleeper").name
    first, second = api.create(ref, {"seconds": 600}), api.create(ref, {"seconds": 0.5})
    api.until(first["id"], "log", "sleeping")
    assert api.cancelled(first["id"])["status"] == "canceled"
    assert api.ended(second["id"])["output"] == "slept"


def test_what_does_not_listen_is_killed_after_a_grace_period(api: Any, models: Any) -> None:
    """A call into C code cannot be interrupted: its process is ended, and the next prediction gets another one."""
    ref = models("sleeper").name
    for mode in ("call", "stubborn"):
        created = api.create(ref, {"seconds": 600, "mode": mode})
        api.until(created["id"], "log", "sleeping")
        began = time.monotonic()
        api.cancel(created["id"])
        ended = api.ended(created["id"])
        assert ended["status"] == "canceled"
        assert 0.9 < time.monotonic() - began < 50
        assert api.run(ref, {"seconds": 0})["output"] == "slept"


def test_what_answers_all_the_same_is_still_cancelled(api: Any, models: Any) -> None:
    created = api.create(models("sleeper").name, {"seconds": 600, "mode": "swallow"})
    api.until(created["id"], "log", "sleeping")
    api.cancel(created["id"])
    assert api.ended(created["id"])["status"] == "canceled"


def test_what_boots_is_cancelled(api: Any, models: Any) -> None:
    created = api.create(models("setup-hangs").name)
    api.until(created["id"], "booting")
    assert api.get(created["id"])["status"] == "starting"
    assert api.cancelled(created["id"])["status"] == "canceled"


def test_what_has_ended_stays_as_it_is(api: Any, models: Any) -> None:
    ended = api.run(models("noop").name, {"text": "done"})
    assert api.cancel(ended["id"]) == ended


def test_what_is_not_there_is_not_found(api: Any, other: Any, models: Any) -> None:
    assert api.http.post("predictions/0fqzzq8p2srgm0cjb2zaj681jr/cancel").status_code == 404
    created = api.create(models("sleeper").name, {"seconds": 30})
    assert other.http.post(f"predictions/{created['id']}/cancel").status_code == 404
    assert api.cancelled(created["id"])["status"] == "canceled"


def test_python_1_cancels(py1: replicate.Client, api: Any, models: Any) -> None:
    prediction = py1.predictions.create(models("sleeper").version, input={"seconds": 600})
    api.until(prediction.id, "started")
    prediction.cancel()
    prediction.wait()
    prediction.reload()
    assert (prediction.status, prediction.output) == ("canceled", None)
    assert py1.predictions.cancel(prediction.id).status == "canceled"


async def test_python_1_cancels_in_a_coroutine(async_py1: replicate.Client, models: Any) -> None:
    prediction = await async_py1.predictions.async_create(models("sleeper").version, input={"seconds": 600})
    await prediction.async_cancel()
    await prediction.async_wait()
    assert prediction.status == "canceled"


def test_python_2_cancels(py2: Any, models: Any) -> None:
    code = """
    client = replicate.Replicate()
    made = client.predictions.create(version=version, input={"seconds": 600})
    client.predictions.cancel(prediction_id=made.id)
    return client.predictions.wait(made.id).status
    """
    assert py2(code, version=models("sleeper").version) == "canceled"


def test_node_cancels_by_signal(js: Any, models: Any) -> None:
    code = """
    const controller = new AbortController();
    const seen = [];
    const output = await replicate.run(
      ref,
      { input: { seconds: 60 }, wait: { mode: "poll", interval: 50 }, signal: controller.signal },
      (prediction) => { seen.push(prediction.status); if (prediction.status === "processing") controller.abort(); },
    ).catch((error) => error.name);
    return [output, seen.at(-1)];
    """
    output, last = js(code, ref=models("sleeper").name)
    if output != "AbortError":  # the signal also ends the client's own request, if one is on its way
        assert (output, last) == (None, "canceled")


def test_node_cancels_by_id(js: Any, models: Any) -> None:
    code = """
    const made = await replicate.predictions.create({ version, input: { seconds: 60 } });
    const cancelled = await replicate.predictions.cancel(made.id);
    return (await replicate.wait(cancelled, { interval: 50 })).status;
    """
    assert js(code, version=models("sleeper").version) == "canceled"
