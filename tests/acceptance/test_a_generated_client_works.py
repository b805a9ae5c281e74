"""A client that a generator made from `/openapi.json`, without a line of ours in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hearth.testing.live import LiveServer

from .conftest import CACHE, Api, Models, _once

GENERATOR = "openapi-python-client==0.29.1"
PROGRAM = """
import io, json, os
from made import AuthenticatedClient
from made import models as m
from made.api.account import account_get
from made.api.deployments import deployments_list
from made.api.files import files_create, files_delete, files_list
from made.api.hardware import hardware_list
from made.api.models import models_create, models_delete, models_get, models_versions_list
from made.api.predictions import predictions_create, predictions_get, predictions_list
from made.types import File

client = AuthenticatedClient(base_url=os.environ["URL"] + "/v1", token=os.environ["TOKEN"])
body = m.CreateModel(owner="admin", name="generated", visibility="private", hardware="cpu")
made = models_create.sync(client=client, body=body)
again = models_create.sync_detailed(client=client, body=body)
deleted = models_delete.sync_detailed("admin", "generated", client=client)
missing = models_get.sync("admin", "generated", client=client)
input = m.CreateByVersionInput.from_dict({"text": "hi"})
asked = m.CreateByVersion(version="admin/noop", input_=input)
run = predictions_create.sync(client=client, body=asked, prefer="wait=60")
found = predictions_get.sync(run.id, client=client)
upload = m.FilesCreateBody(content=File(io.BytesIO(bytes(range(256))), "a.bin", "application/x-thing"))
file = files_create.sync(client=client, body=upload)
listed = file.id in [each.id for each in files_list.sync(client=client).results]
content = client.get_httpx_client().get(file.urls.download).content
files_delete.sync_detailed(file.id, client=client)
print(json.dumps({
    "account": account_get.sync(client=client).username,
    "hardware": hardware_list.sync(client=client)[0].sku,
    "made": [made.name, made.visibility.value, made.latest_version],
    "again": [again.status_code, again.parsed.detail],
    "deleted": deleted.status_code,
    "missing": [type(missing).__name__, missing.status],
    "versions": len(models_versions_list.sync("admin", "noop", client=client).results),
    "run": [run.status.value, run.output, found.output, found.created_at.tzinfo is not None],
    "predictions": run.id in [each.id for each in predictions_list.sync(client=client).results],
    "deployments": deployments_list.sync(client=client).next_,
    "file": [file.name, file.content_type, file.size, listed, list(content) == list(range(256))],
}))
"""


@pytest.fixture(scope="module")
def generator() -> Path:
    """The folder of an environment that has the generator, and what its clients need."""
    folder = CACHE / f"{GENERATOR}-py{sys.version_info[0]}.{sys.version_info[1]}"

    def install() -> None:
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)
        python = str(folder / "venv" / "bin" / "python")
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, GENERATOR], check=True)

    _once(folder, install)
    return folder / "venv" / "bin"


def test_it_is_made_and_works(
    plain: LiveServer, plain_api: Api, plain_models: Models, generator: Path, tmp_path: Path
) -> None:
    plain_models("noop")
    document = tmp_path / "openapi.json"
    document.write_text(plain_api.http.get(f"{plain.url}/openapi.json").text)
    command = [str(generator / "openapi-python-client"), "generate", "--meta", "none", "--path", str(document)]
    subprocess.run([*command, "--output-path", str(tmp_path / "made")], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "URL": plain.url, "TOKEN": plain.token}
    said = subprocess.run(
        [str(generator / "python"), "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    answer: dict[str, Any] = json.loads(said.stdout)
    assert answer == {
        "account": "admin",
        "hardware": "cpu",
        "made": ["generated", "private", None],
        "again": [409, "A model with that name and owner already exists."],
        "deleted": 204,
        "missing": ["Problem", 404],
        "versions": 1,
        "run": ["succeeded", "hi", "hi", True],
        "predictions": True,
        "deployments": None,
        "file": ["a.bin", "application/x-thing", 256, True, True],
    }
