"""What every blob store must do."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hearth.blobs import obstore
from hearth.blobs.base import Blobs, Stored
from hearth.errors import NotFound, TooLarge

MB = 1024 * 1024


def expected(data: bytes) -> Stored:
    return Stored(len(data), hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest())


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.stream(key, start, end)])


@pytest.mark.parametrize("size", [0, 1, 300_000, 9 * MB])
async def test_put_and_get(blobs: Blobs, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert await blobs.put("files/ab/one", data) == expected(data)
    assert await blobs.get("files/ab/one") == data
    assert await read(blobs, "files/ab/one") == data
    assert await blobs.exists("files/ab/one")


@pytest.mark.parametrize(
    ("size", "piece"), [(0, 1), (1, 1), (200_001, 999), (8 * MB, MB), (8 * MB + 1, 100_003), (20 * MB, 5 * MB)]
)
async def test_put_stream(place, size: int, piece: int) -> None:  # type: ignore[no-untyped-def]
    data = random.Random(size).randbytes(size)
    assert await place.blobs.put_stream("files/ab/s", pieces(data, piece)) == expected(data)
    assert await place.blobs.get("files/ab/s") == data
    assert place.leftovers() == []


@pytest.mark.parametrize("size", [0, 5, 9 * MB])
async def test_put_file(blobs: Blobs, tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    source = tmp_path / "out.bin"
    source.write_bytes(data)
    assert await blobs.put_file("files/ab/f", source) == expected(data)
    assert await blobs.get("files/ab/f") == data
    source.unlink()
    assert await blobs.get("files/ab/f") == data


async def test_put_file_follows_a_symbolic_link(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    await blobs.put_file("k", tmp_path / "link")
    (tmp_path / "real").unlink()
    assert await blobs.get("k") == b"content"


async def test_put_file_twice_under_one_key(place, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "f").write_bytes(b"content")
    await place.blobs.put_file("k", tmp_path / "f")
    await place.blobs.put_file("k", tmp_path / "f")
    assert await place.blobs.get("k") == b"content"
    assert place.leftovers() == []


async def test_put_file_that_is_absent(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await blobs.put_file("k", tmp_path / "no")
    assert not await blobs.exists("k")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, None),
        (0, 10),
        (0, 1),
        (9, 10),
        (9, None),
        (3, 7),
        (5, 1000),
        (0, 0),
        (3, 3),
        (7, 3),
        (10, None),
        (10, 12),
        (99, 100),
    ],
)
async def test_ranges(blobs: Blobs, start: int, end: int | None) -> None:
    await blobs.put("k", b"0123456789")
    assert await read(blobs, "k", start, end) == b"0123456789"[start:end]


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 5), (1, None), (1, 2)])
async def test_ranges_of_an_empty_blob(blobs: Blobs, start: int, end: int | None) -> None:
    await blobs.put("k", b"")
    assert await read(blobs, "k", start, end) == b""


async def test_a_negative_start_is_refused(blobs: Blobs) -> None:
    await blobs.put("k", b"0123")
    with pytest.raises(ValueError, match="negative"):
        await read(blobs, "k", -1)


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 5), (4, None), (3, 3)])
async def test_absent_blobs_are_not_found(blobs: Blobs, tmp_path: Path, start: int, end: int | None) -> None:
    with pytest.raises(NotFound, match="files/no"):
        await read(blobs, "files/no", start, end)
    with pytest.raises(NotFound, match="files/no"):
        await blobs.get("files/no")
    with pytest.raises(NotFound, match="files/no"):
        await blobs.fetch("files/no", tmp_path / "x")
    assert not [name for name in names(tmp_path) if name.startswith("x")]
    assert not await blobs.exists("files/no")


async def test_the_folder_of_a_blob_is_no_blob(blobs: Blobs) -> None:
    await blobs.put("files/ab/one", b"1")
    assert not await blobs.exists("files/ab")
    with pytest.raises(NotFound):
        await blobs.get("files/ab")


@pytest.mark.parametrize("size", [0, 10, 3 * MB])
async def test_fetch_gives_a_private_copy(blobs: Blobs, tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    await blobs.put("k", data)
    target = tmp_path / "in" / "copy.bin"
    target.parent.mkdir()
    target.write_bytes(b"an older file")
    await blobs.fetch("k", target)
    assert target.read_bytes() == data
    with target.open("r+b") as file:
        file.write(b"changed")
    assert await blobs.get("k") == data
    assert names(target.parent) == {"copy.bin"}


async def test_fetch_into_a_missing_folder_does_not_say_that_the_blob_is_absent(blobs: Blobs, tmp_path: Path) -> None:
    await blobs.put("k", b"x")
    with pytest.raises(FileNotFoundError):
        await blobs.fetch("k", tmp_path / "no" / "copy")


@pytest.mark.parametrize("size", [100, 12 * MB])
async def test_a_stream_over_its_limit_leaves_nothing(place, size: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TooLarge, match=str(size - 1)):
        await place.blobs.put_stream("k", pieces(bytes(size), MB), limit=size - 1)
    assert not await place.blobs.exists("k")
    assert place.leftovers() == []
    assert (await place.blobs.put_stream("k", pieces(bytes(size), MB), limit=size)).size == size


async def test_a_source_that_fails_leaves_the_old_blob_and_nothing_else(place) -> None:  # type: ignore[no-untyped-def]
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield bytes(MB)
        raise ConnectionResetError("gone")

    await place.blobs.put("k", b"old")
    with pytest.raises(ConnectionResetError):
        await place.blobs.put_stream("k", broken())
    assert await place.blobs.get("k") == b"old"
    assert place.leftovers() == []


@pytest.mark.parametrize("sent", [0, 1, 12])
async def test_a_cancelled_put_leaves_nothing(place, sent: int) -> None:  # type: ignore[no-untyped-def]
    stuck = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(sent):
            yield bytes(MB)
        stuck.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(place.blobs.put_stream("k", slow()))
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await place.blobs.exists("k")
    assert place.leftovers() == []
    assert place.count() == 0


async def test_concurrent_puts_of_one_key_leave_one_of_them_whole(place) -> None:  # type: ignore[no-untyped-def]
    texts = [bytes([65 + i]) * (9 * MB if i < 2 else 100_000) for i in range(6)]
    await asyncio.gather(*(place.blobs.put_stream("k", pieces(text, 50_000)) for text in texts))
    assert await place.blobs.get("k") in texts
    assert place.count() == 1
    assert place.leftovers() == []


async def test_a_reader_keeps_what_it_began_to_read(blobs: Blobs) -> None:
    await blobs.put("k", b"a" * 3 * MB)
    stream = blobs.stream("k")
    first = await anext(stream)
    await blobs.put("k", b"b" * 3 * MB)
    rest = b"".join([chunk async for chunk in stream])
    assert first + rest == b"a" * 3 * MB


async def test_delete(blobs: Blobs) -> None:
    for i in range(20):
        await blobs.put(f"files/x/{i}", b"x")
    await blobs.delete([f"files/x/{i}" for i in range(0, 30, 2)] + ["never/there"])
    there = [i for i in range(20) if await blobs.exists(f"files/x/{i}")]
    assert there == list(range(1, 20, 2))
    await blobs.delete([])


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".staging/x", "a/.b", "a#1", "a b", "a\\b", "ä", "a\n"]
)
async def test_a_key_that_is_none_is_refused(blobs: Blobs, tmp_path: Path, key: str) -> None:
    for call in (
        blobs.put(key, b"x"),
        blobs.put_stream(key, pieces(b"x", 1)),
        blobs.put_file(key, Path(__file__)),
        blobs.get(key),
        blobs.exists(key),
        blobs.delete([key]),
        blobs.fetch(key, tmp_path / "x"),
        read(blobs, key),
    ):
        with pytest.raises(ValueError, match="not a blob key"):
            await call


def fresh_peak_kb() -> int:
    Path("/proc/self/clear_refs").write_text("5")  # starts the high-water mark afresh
    return peak_kb()


def peak_kb() -> int:
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)


async def test_large_streams_need_little_memory(blobs: Blobs) -> None:
    async def many() -> AsyncIterator[bytes]:
        for i in range(50 * 16):
            yield bytes([i % 251]) * (MB // 16)

    await blobs.put_stream("warm", pieces(bytes(20 * MB), MB))
    before = fresh_peak_kb()
    stored = await blobs.put_stream("k", many())
    digest, size = hashlib.sha256(), 0
    async for chunk in blobs.stream("k"):
        digest.update(chunk)
        size += len(chunk)
    assert (size, digest.hexdigest()) == (50 * MB, stored.sha256)
    assert peak_kb() - before < 45 * 1024


async def test_a_walk_finds_every_blob_once(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstore, "PAGE", 3)
    assert [page async for page in blobs.walk()] == []
    before = time.time() - 60  # clocks of stores differ
    sizes = {f"files/{n % 3:02}/b{n}": n for n in range(10)} | {"top": 1}
    for key, size in sizes.items():
        await blobs.put(key, b"x" * size)
    pages = [page async for page in blobs.walk()]
    assert len(pages) >= 3
    found = [held for page in pages for held in page]
    assert {held.key: held.size for held in found} == sizes
    assert len(found) == len(sizes)
    assert all(before < held.stored_at < time.time() + 60 for held in found)


async def test_what_goes_during_a_walk_breaks_nothing(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstore, "PAGE", 1)
    keys = [f"files/{n:02}/b" for n in range(6)]
    for key in keys:
        await blobs.put(key, b"x")
    seen = set()
    async for page in blobs.walk():
        seen |= {held.key for held in page}
        await blobs.delete(keys[3:])
    assert set(keys[:3]) <= seen <= set(keys)
