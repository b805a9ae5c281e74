"""File strings from a model: replaced, unescaped, and never believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hearth.cog.files import BadOutput, incoming, outgoing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "out" / "p" / "0").mkdir(parents=True)
    (tmp_path / "out" / "p" / "0" / "a.png").write_bytes(b"x")
    (tmp_path / "secret").write_text("s")
    return tmp_path / "out"


def test_files_are_replaced_wherever_they_are(root: Path) -> None:
    path = root / "p" / "0" / "a.png"
    value = {"text": "t", "files": [f"hearth-out://{path}", 3], "n": None}
    assert outgoing(value, root, lambda found: f"stored:{found.name}") == {
        "text": "t",
        "files": ["stored:a.png", 3],
        "n": None,
    }


def test_text_that_looks_like_a_file_stays_text(root: Path) -> None:
    value = ["hearth-text:hearth-out:///etc/passwd", "hearth-text:hearth-text:x"]
    assert outgoing(value, root, refuse) == ["hearth-out:///etc/passwd", "hearth-text:x"]


def test_values_without_files_are_not_copied(root: Path) -> None:
    value = {"a": [1, 2, {"b": "c"}]}
    assert outgoing(value, root, refuse) is value


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "{root}/../secret", "{root}/p/0/link", "{root}/p/0/none", "{root}/p/0", "{root}"]
)
def test_other_paths_are_refused(root: Path, name: str) -> None:
    (root / "p" / "0" / "link").symlink_to(root / "p" / "0" / "a.png")
    with pytest.raises(BadOutput):
        outgoing(f"hearth-out://{name.format(root=root)}", root, refuse)


def test_a_linked_folder_does_not_lead_outside(root: Path) -> None:
    (root / "q").symlink_to(root.parent)
    with pytest.raises(BadOutput):
        outgoing(f"hearth-out://{root}/q/secret", root, refuse)


def test_inputs_are_absolute(tmp_path: Path) -> None:
    assert incoming(tmp_path / "x.png") == f"hearth-in://{tmp_path}/x.png"


def refuse(path: Path) -> Any:
    raise AssertionError(f"{path} was believed")
