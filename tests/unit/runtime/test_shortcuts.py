"""Short names of folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth.runtime.owner import Owner
from hearth.runtime.shortcuts import ROOM, Shortcuts


@pytest.fixture
def near() -> Iterator[Path]:
    """A data folder with a short name."""
    made = Path(tempfile.mkdtemp(prefix="h", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("far", [False, True])
def test_names_of_earlier_runs_are_removed_and_no_others(near: Path, tmp_path: Path, far: bool) -> None:
    root = tmp_path / "a data folder with quite a long name" if far else near
    before, now = Shortcuts(root, Owner.of(root)), Shortcuts(root, Owner.of(root))
    other = Shortcuts(root, Owner.of(tmp_path / "of another server"))
    names = [each.make(tmp_path) for each in (before, now, other)]
    assert all(len(str(name)) <= ROOM + 20 and name.samefile(tmp_path) for name in names)
    assert {name.is_relative_to(root) for name in names} == {not far}
    now.sweep()
    assert [os.path.lexists(name) for name in names] == [False, True, True]
    for name in names[1:]:
        name.unlink()


def test_where_nothing_can_be_linked_the_long_name_does(
    near: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    shortcuts = Shortcuts(near, Owner.of(near))
    assert shortcuts.make(tmp_path) == tmp_path
    shortcuts.sweep()
