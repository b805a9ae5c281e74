"""Blobs through obstore: any object store, and a local folder with the short cuts that a folder allows."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, GenericError
from obstore.store import LocalStore, ObjectStore, S3Store

from hearth.blobs import disk
from hearth.blobs.base import Held, Stored
from hearth.blobs.digest import BLOCK, Digest, blocks, digest_of
from hearth.blobs.pipe import Pipe
from hearth.errors import NotFound, Unavailable
from hearth.threads import in_thread

if TYPE_CHECKING:
    from obstore import GetOptions

PART = 8 * 1024 * 1024
"""One part of a multipart upload. S3 wants 5 MiB at least and 10,000 parts at most: objects up to 80 GB."""
PARTS_IN_FLIGHT = 2
READ = 256 * 1024
"""Smallest chunk of a read stream, the last excepted: what one slow download holds in memory."""
ABORT_WAIT = 5.0
"""Seconds a failed or cancelled put waits for the store to drop its parts."""
PAGE = 500
"""Blobs in one step of a walk."""
STAGED_FOR = 24 * 3600.0
"""Seconds after which an unfinished local write is somebody's crash."""

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_S3_OPTIONS = frozenset(
    (
        *("access_key_id", "secret_access_key", "session_token", "skip_signature"),
        *("region", "default_region", "endpoint", "endpoint_url", "endpoint_url_s3"),
        *("virtual_hosted_style_request", "unsigned_payload", "checksum_algorithm"),
        *("web_identity_token_file", "role_arn", "role_session_name", "container_authorization_token_file"),
        *("container_credentials_relative_uri", "container_credentials_full_uri"),
        *("server_side_encryption", "sse_kms_key_id"),
    )
)


class ObstoreBlobs:
    """Blobs in an object store. Raises Unavailable when the store does not answer or refuses us."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._aborting: set[asyncio.Task[None]] = set()

    @staticmethod
    def local(folder: Path) -> ObstoreBlobs:
        """Blobs as files below `folder`, which is made if absent."""
        return _FolderBlobs(folder)

    @staticmethod
    def s3(url: str, **options: str) -> ObstoreBlobs:
        """Blobs in `s3://bucket/prefix`. `options` are AWS_* variables (AWS_ACCESS_KEY_ID, AWS_REGION,
        AWS_ENDPOINT_URL …; others, like AWS_PAGER, are ignored). Raises ValueError for another URL."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise ValueError(f"blobs: expected s3://bucket or s3://bucket/prefix, got {url!r}")
        named = {name.lower().removeprefix("aws_"): value for name, value in options.items() if value}
        config = {f"aws_{name}": value for name, value in named.items() if name in _S3_OPTIONS}
        endpoint = named.get("endpoint_url_s3") or named.get("endpoint_url") or named.get("endpoint") or ""
        store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=config,  # type: ignore[arg-type]
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": "10s",
                "read_timeout": "60s",
                # of a whole request, body included; obstore's 30 s would end every long download
                "timeout": "24h",
            },
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
        )
        return ObstoreBlobs(store)

    async def put(self, key: str, data: bytes) -> Stored:
        if len(data) > PART:

            async def once() -> AsyncIterator[bytes]:
                yield data

            return await self.put_stream(key, once())
        stored = await in_thread(digest_of, data) if len(data) > READ else digest_of(data)
        with _writing():
            await obstore.put_async(self._store, _checked(key), data, use_multipart=False)
        return stored

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], limit: int | None = None) -> Stored:
        _checked(key)
        digest, pipe, uploader = Digest(), Pipe(), None
        head = bytearray()
        try:
            async for block in blocks(chunks, limit):
                await in_thread(digest.update, block)
                if uploader is None:
                    head += block
                    if len(head) <= PART:
                        continue
                    uploader = asyncio.create_task(self._upload(key, pipe), name=f"blob upload {key}")
                    block, head = bytes(head), bytearray()
                await pipe.push(block, uploader)
            if uploader is None:  # small: one request instead of three
                with _writing():
                    await obstore.put_async(self._store, key, bytes(head), use_multipart=False)
                return digest.stored()
            await pipe.push(None, uploader)
            await asyncio.shield(uploader)
        except BaseException:
            if uploader is not None:
                await self._abort(pipe, uploader)
            raise
        return digest.stored()

    async def put_file(self, key: str, path: Path) -> Stored:
        async with contextlib.aclosing(_read(path)) as chunks:
            return await self.put_stream(key, chunks)

    async def get(self, key: str) -> bytes:
        with _reading(key):
            result = await obstore.get_async(self._store, _checked(key))
            return bytes(await result.bytes_async())

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        if start < 0:
            raise ValueError(f"start must not be negative, got {start}")
        if end is not None and end <= start:
            await self._size(key)
            return
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        with _reading(key):
            try:
                result = await obstore.get_async(self._store, _checked(key), options=options)
            except GenericError:
                # stores answer a range that holds no byte with an error, as HTTP does; here it is an empty stream
                if options and await self._size(key) <= start:
                    return
                raise
            async for chunk in result.stream(min_chunk_size=READ):
                yield bytes(chunk)

    async def fetch(self, key: str, path: Path) -> None:
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        async with contextlib.aclosing(self.stream(key)) as chunks:
            first = await anext(chunks, b"")  # NotFound before anything is written
            try:
                file = await in_thread(disk.create, part)
                try:
                    await in_thread(disk.append, file, first)
                    async for block in blocks(chunks):
                        await in_thread(disk.append, file, block)
                finally:
                    await in_thread(file.close)
                await in_thread(os.replace, part, path)
            finally:
                await in_thread(_remove, [part])

    async def exists(self, key: str) -> bool:
        try:
            await self._size(key)
        except NotFound:
            return False
        return True

    async def walk(self) -> AsyncGenerator[list[Held], None]:
        with _answering():
            async for page in obstore.list(self._store, chunk_size=PAGE):
                yield [
                    Held(meta["path"], meta["size"], meta["last_modified"].timestamp())
                    for meta in page
                    if _KEY.fullmatch(meta["path"])
                ]

    async def delete(self, keys: list[str]) -> None:
        if keys:
            with _writing():
                await obstore.delete_async(self._store, [_checked(key) for key in keys])

    async def _size(self, key: str) -> int:
        with _reading(key):
            return int((await obstore.head_async(self._store, _checked(key)))["size"])

    async def _upload(self, key: str, pipe: Pipe) -> None:
        with _writing():
            await obstore.put_async(
                self._store, key, pipe, use_multipart=True, chunk_size=PART, max_concurrency=PARTS_IN_FLIGHT
            )

    async def _abort(self, pipe: Pipe, uploader: asyncio.Task[None]) -> None:
        """obstore drops the parts it has sent when its source raises, but not when its call is cancelled."""
        pipe.abort()
        self._aborting.add(uploader)  # it may outlive this call, and a task nobody holds is collected
        uploader.add_done_callback(self._aborted)
        await asyncio.wait([uploader], timeout=ABORT_WAIT)

    def _aborted(self, uploader: asyncio.Task[None]) -> None:
        self._aborting.discard(uploader)
        if not uploader.cancelled():
            uploader.exception()  # seen: the put has raised what ended it


class _FolderBlobs(ObstoreBlobs):
    """Files below a folder: obstore reads them; writes are ours, because its local store neither syncs to disk
    nor links. A write is staged in `.staging` and renamed; what a crash left there is swept at a later start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._staging = self._folder / ".staging"
        self._staging.mkdir(parents=True, exist_ok=True)
        disk.sweep(self._staging, older_than=STAGED_FOR)
        super().__init__(LocalStore(self._folder))

    async def put(self, key: str, data: bytes) -> Stored:
        return await in_thread(self._put, self._path(key), data)

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], limit: int | None = None) -> Stored:
        target, staged, digest = self._path(key), self._staged(), Digest()
        try:
            file = await in_thread(disk.create, staged)
            try:
                async for block in blocks(chunks, limit):
                    await in_thread(disk.append, file, block, digest)
                await in_thread(disk.publish, file, staged, target)
            finally:
                await in_thread(file.close)
        finally:
            await in_thread(_remove, [staged])
        return digest.stored()

    async def put_file(self, key: str, path: Path) -> Stored:
        """Links the file; copies it from another file system or another owner. A linked file is the blob:
        whoever opens its old path for writing changes the blob."""
        return await in_thread(self._put_file, self._path(key), path)

    async def fetch(self, key: str, path: Path) -> None:
        await in_thread(self._fetch, key, path)

    async def walk(self) -> AsyncGenerator[list[Held], None]:
        """Also removes what writes that a crash broke off have left."""
        await in_thread(disk.sweep, self._staging, STAGED_FOR)
        found = disk.files(self._folder)
        while page := await in_thread(lambda: list(itertools.islice(found, PAGE))):
            yield [
                Held(key, status.st_size, status.st_ctime)  # st_mtime of a linked file is that of its making
                for path, status in page
                if _KEY.fullmatch(key := path.relative_to(self._folder).as_posix())
            ]

    async def delete(self, keys: list[str]) -> None:
        await in_thread(_remove, [self._path(key) for key in keys])

    def _path(self, key: str) -> Path:
        return self._folder / _checked(key)

    def _staged(self) -> Path:
        return self._staging / secrets.token_hex(16)

    def _put(self, target: Path, data: bytes) -> Stored:
        staged, digest = self._staged(), Digest()
        try:
            with disk.create(staged) as file:
                disk.append(file, data, digest)
                disk.publish(file, staged, target)
        finally:
            _remove([staged])
        return digest.stored()

    def _put_file(self, target: Path, path: Path) -> Stored:
        staged, digest = self._staged(), Digest()
        try:
            disk.link_or_copy(path.resolve(strict=True), staged)  # link(2) would link a symbolic link itself
            with staged.open("rb", buffering=0) as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                disk.publish(file, staged, target)
        finally:
            # also after success: rename(2) does nothing between two links to one file
            _remove([staged])
        return digest.stored()

    def _fetch(self, key: str, path: Path) -> None:
        try:
            file = self._path(key).open("rb", buffering=0)
        except FileNotFoundError as error:
            raise NotFound(f"There is no blob {key}.") from error
        with file:
            disk.copy(file, path)


@contextlib.contextmanager
def _reading(key: str) -> Iterator[None]:
    """Absent is NotFound, anything else that the store says is Unavailable."""
    try:
        with _answering():
            yield
    except FileNotFoundError as error:
        raise NotFound(f"There is no blob {key}.") from error


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """What is not found when writing is the bucket."""
    try:
        with _answering():
            yield
    except FileNotFoundError as error:
        raise _unavailable(error) from error


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except BaseError as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    cause = str(error).split("\n", 1)[0]  # the lines below it are a dump of Rust structures
    return Unavailable(
        f"The blob store did not answer as it should: {cause}",
        hint="Check the setting `blobs` and the AWS_* variables, and that the store is up and the bucket exists.",
    )


def _checked(key: str) -> str:
    """Keys are made by us; one that could leave the folder or name a staged file is a bug."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"not a blob key: {key!r}")
    return key


async def _read(path: Path) -> AsyncGenerator[bytes, None]:
    file = await in_thread(FileIO, path)
    try:
        while block := await in_thread(file.read, BLOCK):
            yield block
    finally:
        await in_thread(file.close)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
