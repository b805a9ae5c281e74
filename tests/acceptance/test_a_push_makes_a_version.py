"""What is uploaded, what is built and kept, and what a failed build says and leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

MODELS = Path(__file__).parents[1] / "models"
PREDICT = """
from cog import BaseRunner
from data import WORD


class Predictor(BaseRunner):
    def run(self, text: str = "hi") -> str:
        return WORD + " " + text
"""
YAML = 'build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "cog.yaml").write_text(YAML)
    (folder / "predict.py").write_text(PREDICT)
    (folder / "data.py").write_text("WORD = 'one'\n" + "#" * 100_000 + tmp_path.name)
    (folder / "notes.txt").write_text("not for the model")
    (folder / ".dockerignore").write_text("notes.txt\n")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    return folder


def versions(api: Any, model: str) -> list[str]:
    return [v["id"] for v in api.call("GET", f"models/{model}/versions")["results"]]


def test_only_what_changed_is_uploaded_and_the_environment_is_kept(server: Any, api: Any, folder: Path) -> None:
    first = server.hearth("push", str(folder), "admin/pushed", "--create")
    assert "Uploading 3 files" in first.stderr.replace("4 files", "3 files")
    reference = first.stdout.strip()
    assert re.fullmatch(r"admin/pushed:[0-9a-f]{64}", reference)
    assert api.run(reference)["output"] == "one hi"

    (folder / "predict.py").write_text(PREDICT.replace('WORD + " "', 'WORD + ", "'))
    second = server.hearth("push", str(folder), "admin/pushed")
    assert "Uploading 1 files" in second.stderr
    assert "is ready" in second.stderr  # the environment
    assert "Creating virtual environment" not in second.stderr
    assert second.stdout.strip() != reference
    assert api.run("admin/pushed")["output"] == "one, hi"
    assert api.run(reference)["output"] == "one hi"
    assert versions(api, "admin/pushed") == [second.stdout.strip().partition(":")[2], reference.partition(":")[2]]

    third = server.hearth("push", str(folder), "admin/pushed")
    assert "Every file is on the server already." in third.stderr
    assert third.stdout == second.stdout
    assert len(versions(api, "admin/pushed")) == 2


def test_what_is_not_part_of_the_model_stays_here(server: Any, api: Any, folder: Path) -> None:
    (folder / "data.py").write_text("import os\nWORD = ' '.join(sorted(os.listdir('.')))\n")
    server.hearth("push", str(folder), "admin/left-out", "--create")
    files = api.run("admin/left-out")["output"].split()
    assert {"cog.yaml", "data.py", "predict.py"} <= set(files)
    assert not {".git", "notes.txt"} & set(files)


def test_a_model_must_be_asked_for(server: Any, folder: Path) -> None:
    refused = server.hearth("push", str(folder), "admin/never-made", check=False)
    assert refused.returncode == 1
    assert "--create" in refused.stderr
    assert server.hearth("push", str(folder.parent), "admin/no-yaml", "--create", check=False).returncode == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "build:\n  python_version: 3.11.x\nrun: predict.py:Predictor\n",
            ("cog.yaml:2: build.python_version: ", "3.11.x"),
        ),
        ("build:\n  gpu: maybe\nrun: predict.py:Predictor\n", ("cog.yaml:2: build.gpu: ", "true or false")),
        ("build:\n  python_version: '3.11'\n", ("cog.yaml: ", "predict")),
        ("build: [\n", ("cog.yaml:2: ",)),
        ("build:\n  python_packages: ['numpy=1']\nrun: predict.py:Predictor\n", ("numpy=1",)),
    ],
    ids=["version", "value", "nothing to run", "no yaml", "package"],
)
def test_a_wrong_cog_yaml_is_told_with_line_and_key(
    text: str, says: tuple[str, ...], server: Any, api: Any, folder: Path
) -> None:
    (folder / "cog.yaml").write_text(text)
    failed = server.hearth("push", str(folder), "admin/wrong-yaml", "--create", check=False)
    assert failed.returncode == 1
    for word in says:
        assert word in failed.stderr
    assert versions(api, "admin/wrong-yaml") == []


def test_a_key_that_nobody_knows_is_told(server: Any, folder: Path) -> None:
    (folder / "cog.yaml").write_text(YAML + "runs: 1\n")
    pushed = server.hearth("push", str(folder), "admin/unknown-key", "--create")
    assert "cog.yaml:4: runs: unknown key" in pushed.stderr


@pytest.mark.parametrize(
    ("yaml", "predict", "says"),
    [
        (YAML, "import a_package_that_is_not_installed", "a_package_that_is_not_installed"),
        (YAML, "class Other: pass", "Predictor"),
        (YAML, "def broken(:", "SyntaxError"),
        (YAML, "from cog import BaseRunner\nclass Predictor(BaseRunner):\n    def run(self, x) -> str: ...", "x"),
        (YAML.replace("predict.py", "missing.py"), "", "missing.py"),
        (YAML.replace("run:", "  python_packages: ['no-such-package-here==0.1']\nrun:"), "", "no-such-package-here"),
        (YAML.replace("run:", "  run: ['echo it is broken; exit 3']\nrun:"), "", "exit code 3"),
        (YAML.replace("run:", "  system_packages: [no-such-library]\nrun:"), "", "no-such-library"),
    ],
    ids=["import", "class", "syntax", "annotation", "file", "package", "command", "library"],
)  # fmt: skip
def test_a_build_that_fails_says_why_and_leaves_no_version(
    yaml: str, predict: str, says: str, server: Any, api: Any, folder: Path
) -> None:
    (folder / "cog.yaml").write_text(yaml)
    (folder / "predict.py").write_text(predict or PREDICT)
    failed = server.hearth("push", str(folder), "admin/does-not-build", "--create", check=False)
    assert failed.returncode == 1
    assert says in failed.stderr
    assert "build failed" in failed.stderr
    assert versions(api, "admin/does-not-build") == []
    refused = api.http.post("predictions", json={"version": "admin/does-not-build", "input": {}})
    assert refused.status_code == 422
    assert "no version" in refused.json()["detail"]


def test_packages_commands_and_requirements_are_in_the_environment(server: Any, api: Any, folder: Path) -> None:
    (folder / "requirements.txt").write_text("iniconfig==2.0.0\n")
    (folder / "cog.yaml").write_text(
        YAML.replace(
            "run:", "  python_requirements: requirements.txt\n  run:\n    - echo hello from the build\nrun:", 1
        )
    )
    (folder / "data.py").write_text("import iniconfig\nWORD = iniconfig.__name__\n")
    pushed = server.hearth("push", str(folder), "admin/packages", "--create")
    assert "hello from the build" in pushed.stderr
    assert api.run("admin/packages")["output"] == "iniconfig hi"


def test_a_failed_push_leaves_the_version_before(server: Any, api: Any, folder: Path) -> None:
    server.hearth("push", str(folder), "admin/was-good", "--create")
    before = versions(api, "admin/was-good")
    (folder / "predict.py").write_text("def broken(:")
    assert server.hearth("push", str(folder), "admin/was-good", check=False).returncode == 1
    assert versions(api, "admin/was-good") == before
    assert api.run("admin/was-good")["output"] == "one hi"


def test_the_schema_is_as_cog_makes_it(api: Any, models: Any) -> None:
    model = models("every-input")
    version = api.call("GET", f"models/{model.name}/versions/latest")
    assert version["id"] == model.version
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", version["cog_version"])
    schema = version["openapi_schema"]
    assert schema["openapi"].startswith("3.0")
    inputs = schema["components"]["schemas"]["Input"]
    assert inputs["required"] == ["text"]
    properties = inputs["properties"]
    assert [properties[name]["x-order"] for name in properties] == list(range(len(properties)))
    assert properties["whole"] == {
        "type": "integer",
        "title": "Whole",
        "description": "0 to 10",
        "default": 3,
        "minimum": 0,
        "maximum": 10,
        "x-order": 2,
    }
    assert schema["components"]["schemas"]["colour"]["enum"] == ["red", "green", "blue"]
    assert properties["path"]["format"] == "uri"
    assert properties["secret"]["x-cog-secret"] is True


def test_pushes_by_json(server: Any) -> None:
    pushed = server.hearth("push", str(MODELS / "noop"), "admin/by-json", "--create", "--json")
    answer = json.loads(pushed.stdout)
    assert answer["status"] == "succeeded"
    assert re.fullmatch("[0-9a-f]{64}", answer["version"])
    failed = server.hearth("push", str(MODELS / "import-fails"), "admin/by-json", "--json", check=False)
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["status"] == "failed"
    assert "a_package_that_is_not_installed" in failed.stdout
