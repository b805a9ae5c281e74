from __future__ import annotations

import os
from pathlib import Path

import pytest

from hearth.cog.files import BadOutput
from hearth.runtime.outputs import Outputs


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "image.png").write_bytes(b"png")
    return folder


def test_plain_values_pass_unchanged(out: Path) -> None:
    value = {"a": [1, 2.5, None, True, "text", "hearth"], "b": {"c": "https://host/x.png"}}
    assert Outputs(out).checked(value) == value


def test_files_keep_their_place_and_get_their_real_path(out: Path) -> None:
    named = f"hearth-out://{out}/../out/image.png"
    real = f"hearth-out://{os.path.realpath(out)}/image.png"
    assert Outputs(out).checked([{"page": named}, 1]) == [{"page": real}, 1]


def test_escaped_texts_are_restored(out: Path) -> None:
    assert Outputs(out).checked(["hearth-text:hearth-text:x"]) == ["hearth-text:x"]


@pytest.mark.parametrize(
    "text",
    [
        "hearth-out:///etc/hostname",
        "hearth-out://{out}",
        "hearth-out://{out}/missing.png",
        "hearth-out://{out}/../escape.txt",
        "hearth-out://{out}/link",
        "hearth-out://",
        "hearth-out://\0",
        "hearth-text:hearth-out:///etc/hostname",
    ],
)
def test_what_is_no_file_of_the_folder_is_refused(out: Path, text: str) -> None:
    (out.parent / "escape.txt").write_text("outside")
    (out / "link").symlink_to(out.parent / "escape.txt")
    with pytest.raises(BadOutput):
        Outputs(out).checked({"file": [text.format(out=out)]})
