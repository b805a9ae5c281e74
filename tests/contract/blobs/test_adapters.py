"""What one adapter alone can do or get wrong."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from io import FileIO
from pathlib import Path

import pytest

from hearth.blobs import disk
from hearth.blobs.obstore import STAGED_FOR, ObstoreBlobs
from hearth.errors import Unavailable


async def test_a_local_file_is_linked_and_not_copied(tmp_path: Path) -> None:
    blobs = ObstoreBlobs.local(tmp_path / "blobs")
    source = tmp_path / "out"
    source.write_bytes(b"x" * 1000)
    await blobs.put_file("files/ab/f", source)
    assert (tmp_path / "blobs/files/ab/f").stat().st_ino == source.stat().st_ino


@pytest.mark.skipif(
    not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(os.getcwd()).st_dev,
    reason="needs a second file system",
)
async def test_a_file_from_another_file_system_is_copied(tmp_path: Path) -> None:
    blobs = ObstoreBlobs.local(tmp_path / "blobs")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as source:
        source.write(b"y" * 100_000)
        source.flush()
        assert (await blobs.put_file("f", Path(source.name))).size == 100_000
        await blobs.fetch("f", Path(source.name))
    assert await blobs.get("f") == b"y" * 100_000
    assert list((tmp_path / "blobs/.staging").iterdir()) == []


async def test_what_a_crash_left_is_swept_and_a_running_put_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ObstoreBlobs.local(tmp_path)
    (tmp_path / ".staging/dead").write_bytes(b"half")
    ObstoreBlobs.local(tmp_path)
    assert (tmp_path / ".staging/dead").exists()
    later = time.time() + STAGED_FOR + 60
    monkeypatch.setattr(time, "time", lambda: later)
    ObstoreBlobs.local(tmp_path)
    assert not (tmp_path / ".staging/dead").exists()


async def test_blobs_outlive_the_object(tmp_path: Path) -> None:
    await ObstoreBlobs.local(tmp_path).put("a/b", b"kept")
    assert await ObstoreBlobs.local(tmp_path).get("a/b") == b"kept"


def test_a_full_disk_says_so() -> None:
    with FileIO("/dev/full", "w") as file, pytest.raises(Unavailable, match="full"):
        disk.append(file, b"x")


@pytest.mark.parametrize("url", ["", "bucket", "http://bucket/x", "s3://", "s3:///x", "s3://b/x?y=1"])
def test_an_s3_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket"):
        ObstoreBlobs.s3(url)


async def test_a_store_that_is_down_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        options = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
        blobs = ObstoreBlobs.s3("s3://b", **options, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(Unavailable, match="blob store"):
            await blobs.put("k", b"x")

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield bytes(1024 * 1024)

        with pytest.raises(Unavailable, match="blob store"):
            await blobs.put_stream("k", endless())


async def test_a_bucket_that_is_not_there_is_unavailable_for_puts(s3_server) -> None:  # type: ignore[no-untyped-def]
    blobs = ObstoreBlobs.s3("s3://nobody-made-this", **s3_server.options())
    with pytest.raises(Unavailable, match="404 Not Found"):
        await blobs.put("k", b"x")


async def test_an_old_file_that_is_linked_counts_as_stored_now(tmp_path: Path) -> None:
    """Else it could be collected before its row is there."""
    blobs = ObstoreBlobs.local(tmp_path / "blobs")
    old = tmp_path / "old"
    old.write_bytes(b"weights")
    os.utime(old, (1.0, 1.0))
    await blobs.put_file("files/ab/f", old)
    ((held,),) = [page async for page in blobs.walk()]
    assert held.stored_at > time.time() - 3600


async def test_a_walk_sweeps_what_a_crash_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = ObstoreBlobs.local(tmp_path)
    (tmp_path / ".staging/dead").write_bytes(b"half")
    assert [page async for page in blobs.walk()] == []
    assert (tmp_path / ".staging/dead").exists()
    later = time.time() + STAGED_FOR + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert [page async for page in blobs.walk()] == []
    assert not (tmp_path / ".staging/dead").exists()
