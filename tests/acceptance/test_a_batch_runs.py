"""A table of inputs through one model: progress, results, a template, a cancel, and a server that is killed."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

COUNTED = """
import time
from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, key: str, journal: str, seconds: float = 0.0) -> str:
        with open(journal, "a") as file:
            file.write(key + "\\n")
        time.sleep(seconds)
        if key == "wrong":
            raise ValueError("no")
        return key.upper()
"""


def ended(api: Any, id: str, timeout: float = 60.0) -> Any:
    until = time.monotonic() + timeout
    while (batch := api.call("GET", f"batches/{id}"))["status"] == "running":
        assert time.monotonic() < until, batch
        time.sleep(0.05)
    return batch


def results(api: Any, batch: Any) -> list[Any]:
    answer = api.http.get(batch["urls"]["results"])
    assert answer.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def counted(models: Any) -> str:
    return str(models.write("counted", COUNTED).name)


def test_each_row_is_run_in_order(api: Any, counted: str, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    rows = [{"key": f"k{n}"} for n in range(70)] + [{"key": "wrong"}]
    batch = api.call("POST", "batches", json={"version": counted, "rows": rows, "input": {"journal": journal}})
    assert (batch["status"], batch["total"]) == ("running", 71)
    batch = ended(api, batch["id"])
    assert batch["status"] == "completed"
    assert batch["counts"] == {"waiting": 0, "running": 0, "succeeded": 70, "failed": 1, "canceled": 0}
    found = results(api, batch)
    assert [r["position"] for r in found] == list(range(71))
    assert [r["output"] for r in found[:70]] == [f"K{n}" for n in range(70)]
    assert (found[70]["status"], "no" in found[70]["error"]) == ("failed", True)
    assert Path(journal).read_text().split() == [row["key"] for row in rows]
    assert api.get(found[0]["id"])["output"] == "K0"
    assert batch["id"] in [b["id"] for b in api.call("GET", "batches")["results"]]
    tail = api.http.get(batch["urls"]["results"], params={"after": 68}).text.splitlines()
    assert [json.loads(line)["position"] for line in tail] == [69, 70]


def test_a_template_and_a_csv(server: Any, api: Any, models: Any, tmp_path: Path) -> None:
    speaker = models("speaker").name
    table = tmp_path / "words.csv"
    table.write_text("word,tongue,seed\nhello,French,1\ngoodbye,,2\n".replace(",,", ",Latin,"))
    out = tmp_path / "out.jsonl"
    ran = server.hearth(
        "batch", "run", str(table), speaker, "-i", "prompt=Say <word> in <tongue>", "-o", str(out), check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "completed: 2 succeeded of 2\n"
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert ["".join(line["output"]) for line in lines] == ["Say hello in French", "Say goodbye in Latin"]
    assert [line["input"]["seed"] for line in lines] == ["1", "2"]
    assert api.get(lines[0]["id"])["input"]["seed"] == 1
    assert speaker in server.hearth("batch").stdout


def test_wrong_rows_are_named_before_any_is_run(api: Any, counted: str) -> None:
    before = len(api.call("GET", "batches")["results"])
    rows = [{"key": "a", "journal": "x"}, {"journal": "x"}, {"key": "b", "journal": "x", "seconds": "soon"}]
    answer = api.http.post("batches", json={"version": counted, "rows": rows})
    assert answer.status_code == 400
    assert "row 2" in answer.json()["detail"]
    assert "row 3" in answer.json()["detail"]
    assert api.http.post("batches", json={"version": counted, "rows": []}).status_code == 400
    assert api.http.post("batches", json={"version": "no/body", "rows": rows}).status_code == 422
    assert len(api.call("GET", "batches")["results"]) == before


def test_a_secret_is_not_kept(api: Any, models: Any) -> None:
    body = {"version": models("secret-echo").name, "rows": [{"secret": "swordfish"}]}
    answer = api.http.post("batches", json=body)
    assert answer.status_code == 400
    assert "secret" in answer.json()["detail"]


def test_a_cancel_leaves_nothing_behind(api: Any, other: Any, counted: str, tmp_path: Path) -> None:
    rows = [{"key": f"k{n}", "seconds": 0.2} for n in range(200)]
    body = {"version": counted, "rows": rows, "input": {"journal": str(tmp_path / "journal")}}
    batch = api.call("POST", "batches", json=body)
    assert other.http.get(f"batches/{batch['id']}").status_code == 404
    while api.call("GET", f"batches/{batch['id']}")["counts"]["succeeded"] == 0:
        time.sleep(0.02)
    batch = api.call("POST", f"batches/{batch['id']}/cancel")
    assert batch["status"] == "canceled"
    found = results(api, batch)
    made = [r["id"] for r in found if r["id"]]
    assert 0 < len(made) < 100
    statuses = Counter(api.ended(id)["status"] for id in made)
    assert statuses["canceled"] > 0
    assert statuses.keys() <= {"canceled", "succeeded"}


def test_somebody_who_waits_goes_first(api: Any, counted: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    rows = [{"key": f"k{n}", "seconds": 0.05} for n in range(40)]
    batch = api.call("POST", "batches", json={"version": counted, "rows": rows, "input": {"journal": str(journal)}})
    while api.call("GET", f"batches/{batch['id']}")["counts"]["succeeded"] == 0:
        time.sleep(0.02)
    api.create(counted, {"key": "person", "journal": str(journal)}, hold=30)
    keys = journal.read_text().split()
    assert "person" in keys
    assert len(keys) < 41
    ended(api, batch["id"])


def test_it_goes_on_after_a_kill(fresh: Any, tmp_path: Path) -> None:
    server, api, models = fresh()
    counted = models.write("counted", COUNTED).name
    journal = tmp_path / "journal"
    rows = [{"key": f"k{n}", "seconds": 0.02} for n in range(120)]
    batch = api.call("POST", "batches", json={"version": counted, "rows": rows, "input": {"journal": str(journal)}})
    for _ in range(2):
        done = api.call("GET", f"batches/{batch['id']}")["counts"]["succeeded"]
        while api.call("GET", f"batches/{batch['id']}")["counts"]["succeeded"] < done + 10:
            time.sleep(0.02)
        server.kill()
        server.start()
    batch = ended(api, batch["id"])
    found = results(api, batch)
    assert batch["status"] == "completed"
    assert len({r["id"] for r in found}) == 120
    runs = Counter(journal.read_text().split())
    assert runs.keys() == {row["key"] for row in rows}
    assert max(runs.values()) <= 2  # as after any kill: what had delivered nothing runs once more
    assert sum(count - 1 for count in runs.values()) <= 4
    with pytest.raises(httpx.HTTPStatusError):
        api.http.get("batches/nothing").raise_for_status()
