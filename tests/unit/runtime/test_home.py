from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from hearth.runtime import home
from hearth.runtime.home import Home
from hearth.runtime.owner import Owner
from hearth.runtime.shortcuts import Shortcuts


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "predict.py").write_text("code")
    (folder / "deep" / "er" / "run.sh").write_text("#!/bin/sh")
    (folder / "deep" / "er" / "run.sh").chmod(0o555)
    (folder / "weights.bin").write_bytes(b"w" * 4096)
    (folder / "weights.bin").chmod(0o444)
    return folder


@pytest.fixture
def copy(source: Path, tmp_path: Path) -> Home:
    made = Home(tmp_path / "instances" / "one")
    made.make(source)
    return made


def test_the_copy_has_content_modes_and_times(source: Path, copy: Home) -> None:
    assert (copy.source / "predict.py").read_text() == "code"
    script = copy.source / "deep" / "er" / "run.sh"
    assert os.access(script, os.X_OK)
    assert script.stat().st_mtime_ns == (source / "deep" / "er" / "run.sh").stat().st_mtime_ns
    assert copy.tmp.is_dir()
    assert copy.out.is_dir()


def test_small_files_can_be_written_and_are_not_shared(source: Path, copy: Home) -> None:
    (copy.source / "predict.py").write_text("changed")
    (copy.source / "weights.bin").write_bytes(b"changed")
    assert (source / "predict.py").read_text() == "code"
    assert (source / "weights.bin").read_bytes() == b"w" * 4096


@pytest.mark.parametrize(
    ("user", "mode", "root_copy", "linked"),
    [
        (1000, 0o444, 10_000, True),
        (1000, 0o644, 10_000, False),
        (0, 0o444, 10_000, False),
        (0, 0o444, 2_000, True),
        (0, 0o644, 2_000, False),
    ],
)
def test_large_files_are_linked_only_where_nobody_can_write(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: int,
    mode: int,
    root_copy: int,
    linked: bool,
) -> None:
    monkeypatch.setattr(home, "SMALL", 1024)
    monkeypatch.setattr(home, "ROOT_COPY", root_copy)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    (source / "weights.bin").chmod(mode)
    made = Home(tmp_path / "two")
    made.make(source)
    assert (made.source / "weights.bin").samefile(source / "weights.bin") is linked
    assert (made.source / "weights.bin").read_bytes() == b"w" * 4096


def test_links_that_lead_out_are_not_copied(source: Path, tmp_path: Path) -> None:
    (source / "passwords").symlink_to("/etc/passwd")
    made = Home(tmp_path / "two")
    made.make(source)
    assert not os.path.lexists(made.source / "passwords")


def test_a_name_is_used_once(source: Path, copy: Home) -> None:
    with pytest.raises(FileExistsError):
        Home(copy.path).make(source)


def test_remove_gets_past_locked_folders_and_twice_is_harmless(source: Path, copy: Home) -> None:
    locked = copy.source / "deep" / "er"
    locked.chmod(0o500)
    (copy.source / "deep").chmod(0o000)
    (copy.out / "link").symlink_to(source)
    copy.remove()
    assert not copy.path.exists()
    assert (source / "predict.py").exists()
    copy.remove()


def test_the_temporary_folder_has_a_short_name_while_it_lives(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "a data folder with quite a long name"
    made = Home(root / "instances" / "two", Shortcuts(root, Owner.of(root)))
    made.make(source)
    assert len(str(made.tmp)) <= 60
    (made.tmp / "note").write_text("here")
    assert (root / "instances" / "two" / "tmp" / "note").read_text() == "here"
    made.remove()
    assert not os.path.lexists(made.tmp)
    made.remove()


async def test_a_cancel_waits_for_the_copy(source: Path, tmp_path: Path) -> None:
    made = Home(tmp_path / "two")
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()
    go_on = threading.Event()

    def finish() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait()
        (made.tmp / "last").touch()

    furnishing = asyncio.create_task(made.furnish(source, finish))
    await begun.wait()
    furnishing.cancel()
    loop.call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await furnishing
    assert (made.tmp / "last").exists()
