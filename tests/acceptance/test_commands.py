"""The `hearth` command, as people and scripts use it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from hearth.testing.live import LiveServer


def data(server: Any, *arguments: str) -> Any:
    return json.loads(server.hearth(*arguments, "--json").stdout)


def test_run_prints_text_as_it_comes(server: Any, models: Any) -> None:
    ran = server.hearth("run", models("output-concatenate").name, "-i", "text=a b c")
    assert ran.stdout == "a b c\n"
    ran = server.hearth("run", models("noop").ref, "-i", "text=by version")
    assert ran.stdout == "by version\n"


def test_run_shows_logs_beside_the_output(server: Any, models: Any) -> None:
    ran = server.hearth("run", models("logs").name, "-i", "what=stdout", "-i", "count=2")
    assert ran.stdout == "stdout\n"
    assert "stdout line 0\nstdout line 1\n" in ran.stderr


def test_run_sends_and_saves_files(server: Any, models: Any, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"content")
    prediction = data(server, "run", models("files-echo").name, "-i", f"file=@{picture}", "-i", f"more=@{picture}")
    assert [(file["name"], file["size"]) for file in prediction["output"]] == [("picture.png", 7)] * 2

    saved = tmp_path / "saved"
    ran = server.hearth("run", models("output-list-path").name, "--output", str(saved))
    assert {path.name: path.read_text() for path in saved.iterdir()} == {
        "page.txt": "page 0", "page-2.txt": "page 1", "page-3.txt": "page 2",
    }  # fmt: skip
    assert str(saved / "page.txt") in ran.stdout
    prediction = data(server, "run", models("output-path").name, "--output", str(saved), "--no-save")
    assert prediction["output"].startswith("https://")


def test_run_types_inputs_by_the_schema(server: Any, models: Any) -> None:
    inputs = ["text=12", "whole=4", "flag=true", "number=0.5", "words=a", "words=b", 'mapping={"a": 1}', "size=4"]
    options = [part for text in inputs for part in ("-i", text)]
    output = data(server, "run", models("every-input").name, *options)["output"]
    assert output["text"]["value"] == "12"
    assert (output["whole"]["value"], output["flag"]["value"], output["number"]["value"]) == (4, True, 0.5)
    assert (output["words"]["value"], output["mapping"]["value"], output["size"]["value"]) == (["a", "b"], {"a": 1}, 4)


def test_run_that_fails_says_so(server: Any, models: Any) -> None:
    failed = server.hearth("run", models("failing").name, check=False)
    assert failed.returncode == 1
    assert "ValueError: it went wrong" in failed.stderr
    refused = server.hearth("run", models("every-input").name, "-i", "whole=11", check=False)
    assert refused.returncode == 1
    assert "text is required" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_models_and_versions(server: Any, models: Any) -> None:
    noop = models("noop")
    assert noop.name in [f"{m['owner']}/{m['name']}" for m in data(server, "models")]
    assert noop.name in server.hearth("models").stdout
    assert [v["id"] for v in data(server, "versions", noop.name)] == [noop.version]
    assert noop.version in server.hearth("versions", noop.name).stdout
    missing = server.hearth("versions", "admin/nothing", check=False)
    assert (missing.returncode, missing.stdout) == (1, "")


def test_predictions_logs_and_cancel(server: Any, api: Any, models: Any) -> None:
    created = api.create(models("sleeper").name, {"seconds": 600})
    api.until(created["id"], "log")
    assert data(server, "predictions", "--limit", "1")[0]["id"] == created["id"]
    assert created["id"] in server.hearth("predictions").stdout
    assert server.hearth("logs", created["id"]).stdout == "sleeping 600.0 s, python\n"
    cancelled = data(server, "cancel", created["id"])
    assert cancelled["status"] == "canceled"
    followed = server.hearth("logs", created["id"], "--follow")
    assert followed.stdout.startswith("sleeping 600.0 s, python\n")
    told = data(server, "logs", created["id"])
    assert told["logs"].startswith("sleeping")
    assert told["events"][-1]["kind"] == "canceled"


def test_ps_shows_instances_and_why(server: Any, api: Any, models: Any) -> None:
    ref = models("state").name
    created = api.create(models("sleeper").name, {"seconds": 600})
    api.until(created["id"], "started")
    api.run(ref)
    api.instance(ref, lambda i: i["state"] == "ready")
    found = {i["model"]: i for i in data(server, "ps")}
    assert (found[ref]["state"], found[ref]["busy"]) == ("ready", 0)
    busy = found[models("sleeper").name]
    assert (busy["state"], busy["busy"], busy["predictions"]) == ("busy", 1, [created["id"]])
    assert all(i["because"] for i in found.values())
    assert "BECAUSE" in server.hearth("ps").stdout
    api.cancel(created["id"])


def test_tokens_are_made_shown_once_and_disabled(server: Any, api: Any) -> None:
    made = data(server, "token", "create", "for a test")["token"]
    assert made.startswith("r8_")
    assert len(made) == 40
    assert api.http.get("account", headers={"Authorization": f"Bearer {made}"}).status_code == 200
    listed = server.hearth("token").stdout
    assert "for a test" in listed
    assert made not in listed
    assert made[-4:] in listed
    server.hearth("token", "disable", "for a test")
    assert api.http.get("account", headers={"Authorization": f"Bearer {made}"}).status_code == 401
    assert [t["disabled_at"] is not None for t in data(server, "token") if t["name"] == "for a test"] == [True]


def test_env_is_what_clients_need(server: Any) -> None:
    values = data(server, "env")
    assert values["REPLICATE_BASE_URL"] == server.url + "/v1"
    assert values["REPLICATE_API_TOKEN"] == server.token
    bundle = Path(values["SSL_CERT_FILE"]).read_text()
    assert bundle.count("BEGIN CERTIFICATE") > 20  # the system's and ours
    assert values["NODE_EXTRA_CA_CERTS"] == values["SSL_CERT_FILE"]
    exported = server.hearth("env").stdout
    shell = f'{exported}\n{sys.executable} -c "import replicate; print(replicate.models.list().results is not None)"'
    ran = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"


def test_doctor_looks_at_the_machine(server: Any) -> None:
    ran = server.hearth("doctor", "--json", "--port", "0", check=False)
    findings = json.loads(ran.stdout)
    checks = {finding["check"].lower() for finding in findings}
    assert {"python", "uv", "disk"} <= checks
    assert all(finding["says"] for finding in findings)
    assert all(finding["mend"] for finding in findings if finding["state"] == "bad")
    assert ran.returncode == int(any(finding["state"] == "bad" for finding in findings))


@pytest.mark.parametrize("arguments", [["models"], ["run", "admin/noop"], ["ps"], ["predictions"]])
def test_without_a_server_a_command_says_what_to_do(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hearth.cli", *arguments, "--data", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 1
    assert "hearth serve" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_first_account_is_the_settings(tmp_path: Path) -> None:
    token = "r8_" + "b" * 37
    variables = {"HEARTH_BOOTSTRAP_USER": "ada", "HEARTH_BOOTSTRAP_TOKEN": token}
    with LiveServer(tmp_path / "data", tls=False, variables=variables) as server:
        assert server.token == token
        answer = httpx.get(f"{server.url}/v1/account", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        assert answer.json()["username"] == "ada"


def test_a_token_is_made_and_printed_once(plain: Any) -> None:
    until = time.monotonic() + 60
    while "hearth env" not in (said := "".join(plain.output)) and time.monotonic() < until:
        time.sleep(0.01)
    assert said.count(plain.token) == 1
    assert plain.token.startswith("r8_")
    assert len(plain.token) == 40
