"""When and what is removed of what predictions leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth.runtime import litter
from hearth.runtime.litter import Litter


@pytest.fixture
def coglet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """coglet's folder; no look at it happens by itself."""
    folder = tmp_path / "coglet"
    folder.mkdir()
    monkeypatch.setattr(litter, "COGLET", folder)
    monkeypatch.setattr(litter, "DELAY", 3600)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def leave(coglet: Path, *names: str) -> None:
    for name in names:
        (coglet / name / "inputs").mkdir(parents=True)
        (coglet / name / "outputs").mkdir()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def look(swept: Litter) -> None:
    swept._look()
    if swept._sweeping is not None:
        await swept._sweeping


def test_coglets_folder_goes_with_all_that_is_in_it(coglet: Path, out: Path) -> None:
    leave(coglet, "one", "two", "other")
    (coglet / "two" / "outputs" / "spill.json").write_text("[]")
    assert litter.remove(["one", "two", "never made"], out) == []
    assert names(coglet) == {"other"}


def test_our_folder_goes_once_its_files_are_taken(coglet: Path, out: Path) -> None:
    file = out / "one" / "0" / "a.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"png")
    assert litter.remove(["one"], out) == ["one"]
    assert file.exists()
    file.unlink()
    assert litter.remove(["one"], out) == []
    assert names(out) == set()


def test_only_what_is_ours_and_of_another_run_is_removed_by_its_name(coglet: Path) -> None:
    leave(coglet, "us-then-1", "us-now-1", "them-then-1")
    litter.remove_all("us-", but="us-now-")
    assert names(coglet) == {"us-now-1", "them-then-1"}


async def test_nothing_is_removed_while_predictions_end(coglet: Path, out: Path) -> None:
    leave(coglet, "one", "two")
    swept = Litter(out)
    swept.add("one")
    await look(swept)
    swept.add("two")
    await look(swept)
    assert names(coglet) == {"one", "two"}
    await look(swept)
    assert names(coglet) == set()
    await swept.flush()


async def test_large_things_do_not_wait(coglet: Path, out: Path) -> None:
    leave(coglet, "one")
    swept = Litter(out)
    swept.add("one", large=True)
    await look(swept)
    assert names(coglet) == set()
    await swept.flush()


async def test_too_many_do_not_wait(coglet: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litter, "MOST", 2)
    leave(coglet, "one", "two", "three")
    swept = Litter(out)
    for name in ("one", "two", "three"):
        swept.add(name)
    await look(swept)
    assert names(coglet) == set()
    await swept.flush()


async def test_flush_leaves_nothing(coglet: Path, out: Path) -> None:
    leave(coglet, "one", "two")
    swept = Litter(out)
    swept.add("one")
    await look(swept)
    await look(swept)
    swept.add("two")
    await swept.flush()
    assert names(coglet) == set()
