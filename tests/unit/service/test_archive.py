"""Tar archives read while they arrive, whatever the chunks."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.errors import InvalidRequest
from hearth.service.archive import members


def archive(*files: tuple[str, bytes], format: int = tarfile.PAX_FORMAT, **attributes: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(data: bytes, size: int = 1000) -> list[tuple[str, bytes]]:
    return [
        (member.name, b"".join([piece async for piece in member.content()]))
        async for member in members(pieces(data, size))
    ]


FILES = (("a", b"x" * 513), ("empty", b""), ("b", bytes(range(256)) * 40))


@given(st.integers(1, 3000), st.booleans(), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
async def test_any_chunks_give_the_same_members(size: int, zipped: bool, format: int) -> None:
    data = archive(*FILES, format=format)
    assert await read(gzip.compress(data) if zipped else data, size) == list(FILES)


async def test_pax_headers_are_passed_over() -> None:
    assert await read(archive(*FILES, mtime=1.5, uname="é" * 40)) == list(FILES)


async def test_the_size_of_a_pax_header_counts() -> None:
    header = tarfile.TarInfo("big")
    header.size = 0
    header.pax_headers = {"size": "5"}
    data = header.tobuf(tarfile.PAX_FORMAT) + b"hello" + b"\0" * 507 + b"\0" * 1024
    assert await read(data) == [("big", b"hello")]


async def test_members_that_are_not_read_are_skipped() -> None:
    assert [member.name async for member in members(pieces(archive(*FILES), 100))] == ["a", "empty", "b"]


async def test_an_archive_may_end_without_its_closing_blocks() -> None:
    data = archive(("a", b"x" * 512))[:1024]
    assert await read(data) == [("a", b"x" * 512)]
    assert await read(b"") == []


async def test_the_body_is_read_to_its_end() -> None:
    seen = []

    async def chunks() -> AsyncIterator[bytes]:
        for part in (archive(("a", b"x")), b"\0" * 10, b"tail"):
            seen.append(part)
            yield part

    assert [member.name async for member in members(chunks())] == ["a"]
    assert seen[-1] == b"tail"


@pytest.mark.parametrize("cut", [100, 512, 700, 1023])
async def test_a_cut_archive_is_told(cut: int) -> None:
    with pytest.raises(InvalidRequest, match="ended too early"):
        await read(archive(("a", b"x" * 600))[:cut])


async def test_a_cut_gzip_is_told() -> None:
    with pytest.raises(InvalidRequest, match="ended too early"):
        await read(gzip.compress(archive(("a", bytes(range(256)) * 100)))[:-300])


@pytest.mark.parametrize("data", [b"x" * 600, b"\x1f\x8bnonsense", b"{}"])
async def test_what_is_no_archive_is_told(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await read(data)


@pytest.mark.parametrize("type", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
async def test_only_files_are_taken(type: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not a regular file"):
        await read(archive(("a", b""), type=type))


async def test_a_bomb_is_unpacked_piece_by_piece() -> None:
    bomb = gzip.compress(archive(("a", b"\0" * 20_000_000)))
    assert len(bomb) < 100_000
    largest = 0
    async for member in members(pieces(bomb, len(bomb))):
        async for piece in member.content():
            largest = max(largest, len(piece))
    assert largest <= 256 * 1024
