"""Uploads, and the bytes of stored files."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from hearth.domain.account import Account
from hearth.domain.file import File
from hearth.errors import InvalidRequest, NotFound, TooLarge
from hearth.service.files import Files
from hearth.testing.clock import FakeClock


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def upload(hearth: Any, caller: Account, *parts: bytes, name: str = "a.txt", **more: Any) -> File:
    options = {"content_type": "text/plain", "metadata": {}, **more}
    file: File = await hearth.files.upload(caller, name=name, chunks=chunks(*parts), **options)
    return file


async def read(hearth: Any, file: File, *span: int) -> bytes:
    return b"".join([chunk async for chunk in hearth.files.content(file, *span)])


async def test_an_upload_is_kept_for_a_day(hearth: Any, ann: Account) -> None:
    file = await upload(hearth, ann, b"he", b"", b"llo", metadata={"a": {"b": 1}})
    assert (file.size, file.name, file.content_type, file.metadata) == (5, "a.txt", "text/plain", {"a": {"b": 1}})
    assert file.md5 == hashlib.md5(b"hello").hexdigest()
    assert file.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert file.expires_at == file.created_at + 86400
    assert await hearth.files.get(ann, file.id) == file
    assert await read(hearth, file) == b"hello"
    assert await read(hearth, file, 1, 3) == b"el"
    assert [f.id for f in (await hearth.files.page(ann)).items] == [file.id]


async def test_an_empty_file_is_a_file(hearth: Any, ann: Account) -> None:
    file = await upload(hearth, ann)
    assert (file.size, file.md5) == (0, "d41d8cd98f00b204e9800998ecf8427e")
    assert await read(hearth, file) == b""


async def test_too_large_leaves_nothing(hearth: Any, ann: Account) -> None:
    with pytest.raises(TooLarge, match="Files must be less than 1000 bytes in size"):
        await upload(hearth, ann, b"x" * 600, b"x" * 600)
    assert (await hearth.files.page(ann)).items == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("../../etc/passwd", "passwd"), ("a\\b.txt", "b.txt"), ("", "file"), ("a\r\nb", "a_b"), (".", "file")],
)
async def test_names_are_made_harmless(hearth: Any, ann: Account, name: str, expected: str) -> None:
    assert (await upload(hearth, ann, b"x", name=name)).name == expected


@pytest.mark.parametrize("content_type", ["text/html\r\nX: y", "nonsense", "", None, "a/b\u2028"])
async def test_odd_content_types_are_octets(hearth: Any, ann: Account, content_type: str | None) -> None:
    assert (await upload(hearth, ann, b"x", content_type=content_type)).content_type == "application/octet-stream"


async def test_a_name_and_type_lost_by_the_client_are_told_from_the_bytes(hearth: Any, ann: Account) -> None:
    octets = "application/octet-stream"
    png = await upload(hearth, ann, b"\x89PNG", b"\r\n\x1a\n" + b"x" * 20, name="upload", content_type=octets)
    assert (png.name, png.content_type) == ("upload.png", "image/png")
    assert await read(hearth, png) == b"\x89PNG\r\n\x1a\n" + b"x" * 20
    named = await upload(hearth, ann, b"\x89PNG\r\n\x1a\nxxxx", name="weights.bin", content_type=octets)
    assert (named.name, named.content_type) == ("weights.bin", octets)
    unknown = await upload(hearth, ann, b"hello", name="upload", content_type=octets)
    assert (unknown.name, unknown.content_type) == ("upload", octets)


async def test_metadata_has_a_limit(hearth: Any, ann: Account) -> None:
    with pytest.raises(InvalidRequest):
        await upload(hearth, ann, b"x", metadata={"a": "x" * 70_000})


async def test_files_of_others_do_not_exist(hearth: Any, ann: Account, bob: Account) -> None:
    file = await upload(hearth, ann, b"x")
    with pytest.raises(NotFound):
        await hearth.files.get(bob, file.id)
    with pytest.raises(NotFound):
        await hearth.files.delete(bob, file.id)
    assert (await hearth.files.page(bob)).items == []


async def test_delete_removes_row_and_bytes(hearth: Any, ann: Account) -> None:
    file = await upload(hearth, ann, b"x")
    await hearth.files.delete(ann, file.id)
    with pytest.raises(NotFound):
        await hearth.files.get(ann, file.id)
    assert not await hearth.blobs.exists(file.key)


async def test_an_expired_file_is_gone(hearth: Any, ann: Account) -> None:
    clock = FakeClock()
    files = Files(store=hearth.store, blobs=hearth.blobs, clock=clock, signing_key=b"k", ttl=60.0)
    file = await files.upload(ann, name="a", content_type=None, metadata={}, chunks=chunks(b"x"))
    expiry = int(clock.now()) + 30
    files.check_signature("ann", file.id, expiry, files.signed("ann", file.id, expiry))
    await clock.advance(61)
    with pytest.raises(NotFound):
        await files.get(ann, file.id)
    with pytest.raises(NotFound):
        await files.open(file.id)
    with pytest.raises(NotFound):
        files.check_signature("ann", file.id, expiry, files.signed("ann", file.id, expiry))


async def test_signatures_are_the_documented_ones(hearth: Any) -> None:
    digest = hmac.new(b"key", b"ann abc 4102444800", hashlib.sha256).digest()
    good = base64.b64encode(digest).decode()
    assert hearth.files.signed("ann", "abc", 4102444800) == good
    hearth.files.check_signature("ann", "abc", 4102444800, good)
    for owner, id, expiry, signature in (
        ("bob", "abc", 4102444800, good),
        ("ann", "other", 4102444800, good),
        ("ann", "abc", 4102444801, good),
        ("ann", "abc", 4102444800, "\udcffnonsense"),
    ):
        with pytest.raises(NotFound):
            hearth.files.check_signature(owner, id, expiry, signature)


async def test_a_link_ends_with_its_file(hearth: Any, ann: Account) -> None:
    clock = FakeClock()
    files = Files(store=hearth.store, blobs=hearth.blobs, clock=clock, signing_key=b"k", ttl=60.0)
    file = await files.upload(ann, name="a", content_type=None, metadata={}, chunks=chunks(b"x"))
    stays = msgspec.structs.replace(file, id="stays", expires_at=None)
    links = [(each.id, files.link("ann", each)) for each in (file, stays)]
    await clock.advance(59)
    for id, link in links:
        files.check_signature(link.owner, id, link.expiry, link.signature)
    await clock.advance(2)
    for id, link in links:
        with pytest.raises(NotFound):
            files.check_signature(link.owner, id, link.expiry, link.signature)


async def test_open_needs_the_right_name(hearth: Any, ann: Account) -> None:
    file = await upload(hearth, ann, b"x")
    assert await hearth.files.open(file.id, "a.txt") == file
    for id, name in ((file.id, "b.txt"), ("0" * 26, "a.txt"), ("../x", "a.txt")):
        with pytest.raises(NotFound):
            await hearth.files.open(id, name)
