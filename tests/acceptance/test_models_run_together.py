"""Concurrent models take several predictions at once, others one by one, and models do not wait for each other."""

from __future__ import annotations

import concurrent.futures
from typing import Any


def test_a_concurrent_model_runs_eight_together(api: Any, models: Any) -> None:
    ref = models("async-concurrent").name
    api.run(ref, {"seconds": 0})
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda n: api.create(ref, {"name": f"n{n}", "seconds": 0.5}), range(10)))
    shown = api.instance(ref, lambda i: i["busy"] == 8)
    assert (shown["slots"], shown["state"], len(shown["predictions"])) == (8, "busy", 8)
    ended = [api.ended(p["id"]) for p in made]
    assert [p["output"]["name"] for p in ended] == [f"n{n}" for n in range(10)]
    assert max(p["output"]["together"] for p in ended) == 8
    for n, prediction in enumerate(ended):
        assert prediction["logs"] == f"n{n} begins\nn{n} ends\n"


def test_streams_of_one_instance_do_not_mix(api: Any, models: Any) -> None:
    ref = models("async-stream").name
    made = [api.create(ref, {"count": 20 + n, "delay": 0.005}) for n in range(8)]
    for n, prediction in enumerate(made):
        chunks = [e.data for e in api.events(prediction["urls"]["stream"]) if e.name == "output"]
        assert chunks == [f"chunk {k} " for k in range(20 + n)]


def test_a_decorator_says_how_many(api: Any, models: Any) -> None:
    ref = models("decorated").name
    api.run(ref)
    assert api.instance(ref, lambda i: i["state"] == "ready")["slots"] == 4


def test_others_run_one_after_the_other_in_order(api: Any, models: Any) -> None:
    ref = models("state").name
    made = [api.create(ref) for _ in range(8)]
    outputs = [api.ended(p["id"])["output"] for p in made]
    assert len({o["pid"] for o in outputs}) == 1
    counts = [o["count"] for o in outputs]
    assert counts == list(range(counts[0], counts[0] + 8))


def test_a_busy_model_does_not_hold_up_another(api: Any, models: Any) -> None:
    busy = api.create(models("sleeper").name, {"seconds": 600})
    assert api.create(models("noop").name, hold=30)["status"] == "succeeded"
    assert api.get(busy["id"])["status"] in ("starting", "processing")
    assert api.cancelled(busy["id"])["status"] == "canceled"
