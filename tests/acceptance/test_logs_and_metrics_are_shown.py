"""What a model prints and measures is on its prediction, while it runs and afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
import replicate

PROGRESS = """
import os
import sys
import time
from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, until: str) -> str:
        for step in range(4):
            bar = "#" * step
            sys.stderr.write(f"\\r {25 * step}%|{bar:4}| {step}/4")
            sys.stderr.flush()
        deadline = time.monotonic() + 60
        while not os.path.exists(until) and time.monotonic() < deadline:
            time.sleep(0.01)
        return "done"
"""


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("stdout", "stdout line 0\nstdout line 1\nstdout line 2\n"),
        ("stderr", "stderr line 0\nstderr line 1\nstderr line 2\n"),
        ("logging", "a warning from logging"),
        ("warning", "UserWarning: a warning from warnings"),
        ("half", "half a line"),
        ("thread", "from a thread\n"),
        ("bytes", "ünï — 漢字 🙂 \x1b[31mred\x1b[0m <script>alert(1)</script>\n"),
    ],
)
def test_whatever_is_printed_is_logged(what: str, text: str, api: Any, models: Any) -> None:
    ref = models("logs").name
    prediction = api.run(ref, {"what": what})
    assert text in prediction["logs"]
    assert api.run(models("logs").name, {"what": "stdout", "count": 0})["logs"] == ""


def test_what_children_print_is_logged(api: Any, models: Any) -> None:
    for _ in range(5):
        logs = api.run(models("logs").name, {"what": "child"})["logs"]
        assert sorted(logs.splitlines()) == ["from a child", "its errors"]


def test_logs_grow_line_by_line_while_it_runs(api: Any, models: Any) -> None:
    created = api.create(models("sleeper").name, {"seconds": 30})
    assert api.until(created["id"], "log")["data"] == "sleeping 30.0 s, python\n"
    prediction = api.get(created["id"])
    assert (prediction["status"], prediction["logs"]) == ("processing", "sleeping 30.0 s, python\n")
    api.cancel(created["id"])


def test_ten_thousand_lines_are_all_there(api: Any, models: Any) -> None:
    logs = api.run(models("logs").name, {"what": "stdout", "count": 10_000})["logs"]
    assert logs.splitlines() == [f"stdout line {n}" for n in range(10_000)]


def test_progress_is_shown_while_it_runs(py1: replicate.Client, api: Any, models: Any, tmp_path: Any) -> None:
    """tqdm draws its bar with carriage returns; clients look for lines."""
    go = tmp_path / "go"
    model = models.write("progress", PROGRESS)
    prediction = py1.predictions.create(model.version, input={"until": str(go)})
    api.until(prediction.id, "log", "3/4")
    prediction.reload()
    go.touch()
    assert prediction.progress is not None
    assert (prediction.progress.current, prediction.progress.total) == (3, 4)
    prediction.wait()
    assert prediction.output == "done"


def test_metrics_of_the_model_stand_beside_ours(api: Any, py1: replicate.Client, models: Any) -> None:
    metrics = api.run(models("metrics").name, {"tokens": 3})["metrics"]
    assert metrics.pop("total_time") >= metrics.pop("predict_time") > 0
    assert metrics.pop("tokens_per_second") > 0
    assert metrics == {
        "temperature": 0.7,
        "label": "cat",
        "timing": {"load": 0.125},
        "output_token_count": 3,
        "steps": [0, 1, 2],
        "cached": True,
    }


def test_a_queue_shows_in_total_time_only(api: Any, models: Any) -> None:
    ref = models("sleeper").name
    first, second = api.create(ref, {"seconds": 0.5}), api.create(ref, {"seconds": 0.5})
    api.ended(first["id"])
    metrics = api.ended(second["id"])["metrics"]
    assert 0.5 <= metrics["predict_time"] < 0.9
    assert metrics["total_time"] >= 0.95


def test_a_model_may_ask_for_its_context(api: Any, models: Any) -> None:
    prediction = api.run(models("context").name)
    assert prediction["status"] == "succeeded"
    assert isinstance(prediction["output"], dict)


FRESH = """
from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> int:
        print("hi")
        return 1
"""


def test_the_timeline_says_what_happened_and_why(api: Any, models: Any) -> None:
    model = models.write("fresh", FRESH)
    id = api.run(model.name)["id"]
    events = api.call("GET", f"predictions/{id}/events")["results"]
    assert [e["seq"] for e in events] == list(range(len(events)))
    kinds = dict.fromkeys(e["kind"] for e in events)  # a boot tells each of its phases
    assert list(kinds) == ["queued", "booting", "assigned", "started", "log", "succeeded"]
    assert "because" in json.dumps(events[1]["data"])
    assert list(api.follow(id)) == events
