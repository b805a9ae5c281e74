"""Health, readiness, metrics and logs, for those who watch."""

from __future__ import annotations

import contextlib
import json
import re
import signal
from typing import Any

import httpx
import pytest

from hearth.testing.live import LiveServer, ServerDied


@pytest.fixture
def watcher(api: Any) -> Any:
    base_url = str(api.http.base_url).removesuffix("/v1/")
    with httpx.Client(base_url=base_url, verify=api.http._transport._pool._ssl_context, trust_env=False) as client:
        yield client


def test_health_and_readiness_need_no_token(watcher: Any) -> None:
    assert watcher.get("/healthz").json() == {"status": "ok"}
    assert watcher.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_what_happened(watcher: Any, api: Any, models: Any) -> None:
    ref = models("noop").name

    def value(name: str) -> float:
        text = watcher.get("/metrics").text
        return sum(float(number) for number in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))

    finished = "hearth_predictions_total"
    before = value(finished)
    for _ in range(3):
        api.create(ref, hold=30)
    assert value(finished) == before + 3


def test_logs_are_one_json_object_a_line_if_asked(tmp_path: Any) -> None:
    with LiveServer(tmp_path / "data", tls=False, variables={"HEARTH_LOG_FORMAT": "json"}) as server:
        server.stop()
        lines = [line for line in server.output if line.startswith("{")]
    assert lines
    for record in map(json.loads, lines):
        assert {"level", "message"} <= record.keys()
    assert "engine_serves" in [json.loads(line).get("action") for line in lines]


def test_a_server_stops_when_told(tmp_path: Any) -> None:
    server = LiveServer(tmp_path / "data", tls=False)
    server.start()
    assert server.stop() == 0


def test_a_second_server_on_the_same_folder_says_why_not(server: Any) -> None:
    second = LiveServer(server.data)
    with pytest.raises(ServerDied, match="Another Hearth server"):
        second.start()


def test_a_taken_port_is_named(server: Any, tmp_path: Any) -> None:
    second = LiveServer(tmp_path / "data", port=server.port)
    with pytest.raises(ServerDied, match=f"Port {server.port}"):
        second.start()


def test_what_runs_may_end_when_the_server_stops(fresh: Any) -> None:
    server, api, models = fresh()
    sleeper = models("sleeper").name
    api.run(sleeper, {"seconds": 0})
    running, waiting = api.create(sleeper, {"seconds": 1}), api.create(sleeper, {"seconds": 0})
    api.until(running["id"], "started")
    assert server.stop() == 0
    server.start()
    assert api.get(running["id"])["output"] == "slept"
    assert api.ended(waiting["id"])["output"] == "slept"


def test_a_second_signal_ends_the_server_at_once(fresh: Any) -> None:
    server, api, models = fresh()
    sleeper = models("sleeper").name
    running = api.create(sleeper, {"seconds": 600})
    api.until(running["id"], "started")
    server.signal(signal.SIGTERM)
    server.heard("what runs may finish")
    assert server.stop() == 0, "it did not wait for the run, nor for HEARTH_DRAIN_TIMEOUT"
    assert any("goes back in line" in line for line in server.output)
    server.start()
    kinds: list[str] = []
    with contextlib.closing(api.follow(running["id"])) as events:
        while kinds.count("started") < 2:
            kinds.append(next(events)["kind"])
    assert "returned" in kinds
    assert api.cancelled(running["id"])["status"] == "canceled"
