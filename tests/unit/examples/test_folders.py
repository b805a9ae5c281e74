"""What every shipped model folder has to keep."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hearth.cog import config

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/cog.yaml"))
MODELS = sorted(path.parent for path in (ROOT / "tests/models").glob("*/cog.yaml"))


def name(folder: Path) -> str:
    return folder.name


def test_the_examples_are_these() -> None:
    assert [each.name for each in EXAMPLES] == [
        "hello",
        "ocr",
        "resize",
        "search",
        "storyteller",
        "trainable",
        "vectors",
    ]


@pytest.mark.parametrize("folder", EXAMPLES + MODELS, ids=name)
def test_its_cog_yaml_is_valid(folder: Path) -> None:
    cog = config.load(folder)
    assert cog.python_version == "3.11"
    assert cog.warnings == ()


@pytest.mark.parametrize("folder", EXAMPLES, ids=name)
def test_its_hearth_yaml_describes_it_and_names_files_that_exist(folder: Path) -> None:
    hearth = config.load_hearth(folder)
    assert hearth.description
    assert hearth.readme == "README.md"
    assert hearth.warnings == ()
    for example in hearth.examples:
        for value in example.values():
            if isinstance(value, str) and value.startswith("@"):
                assert (folder / value[1:]).is_file(), value


@pytest.mark.parametrize("folder", EXAMPLES, ids=name)
def test_every_package_is_pinned_and_none_brings_pytorch(folder: Path) -> None:
    cog = config.load(folder)
    packages = [
        *cog.requirements,
        *re.findall(r"--no-deps ([^;]+)", " ".join(step.command for step in cog.run)),
    ]
    words = " ".join(packages).split()
    assert all("==" in word for word in words)
    assert not any(
        word.startswith(("torch", "sentence-transformers", "transformers", "opencv-python=")) for word in words
    )


@pytest.mark.parametrize("folder", EXAMPLES, ids=name)
def test_its_readme_is_short_and_tells_how_to_push_and_run(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 60
    assert f"hearth push examples/{folder.name} demo/{folder.name} --create" in readme
    assert f"hearth run demo/{folder.name}" in readme


def test_the_examples_stay_small() -> None:
    files = [path for folder in EXAMPLES for path in folder.rglob("*") if "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 600_000


def test_the_test_models_share_one_environment() -> None:
    recipes = {(cog.python_version, cog.requirements, cog.run, cog.system_packages) for cog in map(config.load, MODELS)}
    assert recipes == {("3.11", (), (), ())}


def test_the_table_of_test_models_is_complete() -> None:
    table = (ROOT / "tests/models/README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE) == sorted(model.name for model in MODELS)
