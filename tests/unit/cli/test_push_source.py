"""What a push takes along: all of the model's folder, but for what never belongs to a model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hearth.cli.push import source


def paths(folder: Path) -> list[str]:
    return [f["path"] for f in source(folder)]


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_files_have_their_hash_size_and_mode(tmp_path: Path) -> None:
    make(tmp_path, "cog.yaml")
    (tmp_path / "cog.yaml").chmod(0o755)
    (found,) = source(tmp_path)
    assert found["sha256"] == hashlib.sha256(b"cog.yaml").hexdigest()
    assert (found["size"], found["executable"]) == (8, True)


def test_version_control_caches_and_environments_stay_behind(tmp_path: Path) -> None:
    make(tmp_path, "predict.py", ".git/config", "a/__pycache__/x.pyc", "b/y.pyc", ".venv/bin/python", "a/data.txt")
    assert paths(tmp_path) == ["a/data.txt", "predict.py"]


def test_dockerignore_leaves_out_and_brings_back(tmp_path: Path) -> None:
    make(tmp_path, "keep.txt", "drop.txt", "data/big.bin", "data/small.bin", "logs/a/x.log")
    (tmp_path / ".dockerignore").write_text("# notes\n*.txt\n!keep.txt\ndata/big.bin\n**/*.log\n")
    assert paths(tmp_path) == [".dockerignore", "data/small.bin", "keep.txt"]


def test_links_out_of_the_folder_are_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    folder = tmp_path / "model"
    make(outside, "weights.bin", "more/x", "more/deep/y")
    make(folder, "predict.py")
    (folder / "weights.bin").symlink_to(outside / "weights.bin")
    (folder / "more").symlink_to(outside / "more")
    assert paths(folder) == ["more/deep/y", "more/x", "predict.py", "weights.bin"]


def test_a_link_to_a_folder_above_ends_there(tmp_path: Path) -> None:
    make(tmp_path, "model/predict.py", "shared/a.py")
    (tmp_path / "model" / "self").symlink_to(tmp_path / "model")
    (tmp_path / "model" / "shared").symlink_to(tmp_path / "shared")
    (tmp_path / "shared" / "back").symlink_to(tmp_path / "model")
    assert paths(tmp_path / "model") == ["predict.py", "shared/a.py"]


def test_the_same_folder_may_be_linked_twice(tmp_path: Path) -> None:
    make(tmp_path, "model/predict.py", "shared/a.py")
    for name in ("one", "two"):
        (tmp_path / "model" / name).symlink_to(tmp_path / "shared")
    assert paths(tmp_path / "model") == ["one/a.py", "predict.py", "two/a.py"]


def test_a_link_to_nothing_stays_behind_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, "cog.yaml")
    (tmp_path / "old").symlink_to("/nowhere/weights.bin")
    assert paths(tmp_path) == ["cog.yaml"]
    assert "old is left out" in " ".join(capsys.readouterr().err.split())
