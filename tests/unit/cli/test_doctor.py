"""What lies on disk, by kind."""

from __future__ import annotations

import os
from pathlib import Path

from hearth.cli.doctor import _contents, taken

BLOCK = 64 * 1024


def test_a_file_with_several_links_counts_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(os.urandom(BLOCK))
    alone = taken(tmp_path)
    assert alone >= BLOCK
    os.link(folder / "one", tmp_path / "two")
    assert taken(tmp_path) == alone
    assert taken(tmp_path / "nothing") == 0


def test_kinds_are_told_largest_first(tmp_path: Path) -> None:
    for name, blocks in (("blobs/files", 1), ("environments/envs", 4), ("cache", 2)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x").write_bytes(os.urandom(blocks * BLOCK))
    says = _contents(tmp_path).says
    assert [part.rsplit(" ", 2)[0] for part in says.split(", ")] == ["environments", "what models downloaded", "files"]
    assert "nothing yet" in _contents(tmp_path / "none").says
