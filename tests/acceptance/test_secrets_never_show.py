"""A secret input is masked in rows, logs, errors, outputs, streams and webhooks, whatever the model does with it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

SECRET = "s3cr3t-and-nobody-else-says-this"


@pytest.mark.parametrize("fail", [False, True])
def test_a_secret_never_shows(fail: bool, api: Any, server: Any, models: Any, hooks: Any) -> None:
    created = api.create(
        models("secret-echo").name,
        {"secret": SECRET, "fail": fail},
        webhook=hooks.url,
        webhook_events_filter=["start", "output", "logs", "completed"],
    )
    caught = hooks.until_completed(created["id"])
    prediction = api.get(created["id"])
    assert prediction["status"] == ("failed" if fail else "succeeded")
    assert "the secret is " in prediction["logs"]
    shown = {
        "create": json.dumps(created),
        "get": json.dumps(prediction),
        "list": json.dumps(api.call("GET", "predictions")),
        "timeline": json.dumps(list(api.follow(created["id"]))),
        "webhooks": b"".join(c.body for c in caught).decode(),
        "deliveries": json.dumps(api.call("GET", f"predictions/{created['id']}/webhooks")),
        "logs command": server.hearth("logs", created["id"]).stdout,
        "server's log": "".join(server.output),
        "instances": json.dumps(api.call("GET", "admin/instances")),
    }
    if "stream" in created["urls"]:
        shown["stream"] = str(list(api.events(created["urls"]["stream"])))
    leaks = [where for where, text in shown.items() if SECRET in text]
    assert leaks == []


def test_a_secret_is_not_in_the_data_folder(api: Any, server: Any, models: Any) -> None:
    ended = api.run(models("secret-echo").name, {"secret": SECRET})
    assert ended["status"] == "succeeded"
    wanted = SECRET.encode()
    files = [p for p in server.data.rglob("*") if p.is_file() and "environments" not in p.parts and not p.is_symlink()]
    assert [p for p in files if wanted in p.read_bytes()] == []
    with sqlite3.connect(f"file:{server.data / 'hearth.db'}?mode=ro", uri=True) as database:
        assert database.execute("pragma quick_check").fetchall() == [("ok",)]
    database.close()


def test_a_secret_reaches_the_model(api: Any, models: Any) -> None:
    output = api.run(models("every-input").name, {"text": "hi", "secret": "12345"})["output"]
    assert output["secret"] == {"type": "Secret", "value": {"secret": 5}}
