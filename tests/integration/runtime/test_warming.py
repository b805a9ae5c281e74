"""Weights are brought into the page cache."""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import os
import sys
from pathlib import Path

import pytest

from hearth.runtime import memory
from hearth.runtime.warming import LARGE, Warming

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in its page cache")


def cold(path: Path, size: int) -> Path:
    """A file that is on disk and nowhere else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def cached(path: Path) -> float:
    """The part of a file's pages that are in memory."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=2) as area:
        pages = (len(area) + mmap.PAGESIZE - 1) // mmap.PAGESIZE
        vector = (ctypes.c_ubyte * pages)()
        view = (ctypes.c_char * len(area)).from_buffer(area)
        ctypes.CDLL(None).mincore(ctypes.byref(view), ctypes.c_size_t(len(area)), vector)
        del view
        return sum(page & 1 for page in vector) / pages


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = cold(tmp_path / "model" / "weights" / "model.bin", 24 * LARGE)
    if cached(path) > 0.1:
        pytest.skip("this file system keeps everything in memory")
    return path


async def test_large_files_of_a_folder_are_read(weights: Path) -> None:
    small = cold(weights.with_name("small.bin"), LARGE // 2)
    warming = Warming.start(weights.parents[1])
    assert warming is not None
    assert await warming.finished() == 24 * LARGE
    async with asyncio.timeout(60):
        while cached(weights) < 1:  # noqa: ASYNC110 - the disk reads on by itself, and tells nobody
            await asyncio.sleep(0.01)
    assert cached(small) < 0.1


async def test_no_more_is_read_than_memory_allows(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 8 * LARGE)
    warming = Warming.start(weights)
    assert warming is not None
    assert await warming.finished() == 4 * LARGE
    assert cached(weights) < 0.5


async def test_it_stops_when_it_is_no_longer_needed(weights: Path) -> None:
    warming = Warming([weights])
    warming.stop()
    assert await warming.finished() <= 24 * LARGE


async def test_what_is_gone_does_not_matter(tmp_path: Path) -> None:
    warming = Warming.start(tmp_path / "nothing")
    assert warming is not None
    assert await warming.finished() == 0
