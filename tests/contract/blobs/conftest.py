"""One blob store per adapter: a folder, and a bucket in a local S3 server (moto)."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth.blobs.obstore import ObstoreBlobs


class S3Server:
    def __init__(self, url: str) -> None:
        self.url = url

    def bucket(self) -> str:
        name = f"b{uuid.uuid4().hex}"
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT")).close()
        return name

    def options(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_PAGER": "less",
        }

    def listing(self, bucket: str, query: str = "") -> str:
        with urllib.request.urlopen(f"{self.url}/{bucket}{query}") as reply:
            return str(reply.read().decode())


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if match := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail(f"the S3 server did not start:\n{said}")
        # its access log must not fill the pipe
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield S3Server(match[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    drain.wait()


class Place:
    """A store under test, with a look at what really lies in it."""

    def __init__(self, blobs: ObstoreBlobs, folder: Path | None, s3: tuple[S3Server, str] | None) -> None:
        self.blobs, self.folder, self.s3 = blobs, folder, s3

    def leftovers(self) -> list[str]:
        """Everything that is not a blob: staged files, parts of uploads."""
        if self.folder is not None:
            files = [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]
            return [name for name in files if name.startswith(".staging/") or "#" in name or name.endswith(".part")]
        assert self.s3 is not None
        server, bucket = self.s3
        return re.findall(r"<UploadId>([^<]+)", server.listing(bucket, "?uploads"))

    def count(self) -> int:
        if self.folder is not None:
            return sum(path.is_file() for path in self.folder.rglob("*"))
        assert self.s3 is not None
        server, bucket = self.s3
        return server.listing(bucket).count("<Key>")


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        folder = tmp_path / "blobs"
        return Place(ObstoreBlobs.local(folder), folder, None)
    server: S3Server = request.getfixturevalue("s3_server")
    bucket = server.bucket()
    return Place(ObstoreBlobs.s3(f"s3://{bucket}/some/prefix", **server.options()), None, (server, bucket))


@pytest.fixture
def blobs(place: Place) -> ObstoreBlobs:
    return place.blobs
