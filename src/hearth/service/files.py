"""Files: uploads with their metadata, and the bytes of every stored file."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain import media
from hearth.domain.account import Account
from hearth.domain.file import File, FileKind, safe_name
from hearth.errors import InvalidRequest, NotFound, Pointer, TooLarge
from hearth.store.base import Cursor, Page, Store

MAX_METADATA = 64 * 1024
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[\x20-\x7e]*)?")


class Link(NamedTuple):
    """What lets anybody download a file: `owner` is a username, `expiry` seconds since 1970."""

    owner: str
    expiry: int
    signature: str


class Files:
    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        signing_key: bytes,
        max_file: int = 100 * 1024 * 1024,
        ttl: float = 24 * 3600.0,
    ) -> None:
        """`max_file` in bytes; `ttl`: seconds an upload is kept."""
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._key = signing_key
        self._max_file = max_file
        self._ttl = ttl

    async def upload(
        self,
        caller: Account,
        *,
        name: str,
        content_type: str | None,
        metadata: Mapping[str, Any],
        chunks: AsyncIterator[bytes],
    ) -> File:
        """Store a file for 24 hours. Raises TooLarge, InvalidRequest.

        Some clients lose name and type on the way (`upload`, octet-stream): both are told from the first bytes
        then, because models look at extensions.
        """
        if len(msgspec.json.encode(metadata)) > MAX_METADATA:
            raise InvalidRequest(errors=(Pointer("/metadata", f"metadata: at most {MAX_METADATA} bytes of JSON"),))
        type_ = content_type if content_type and _CONTENT_TYPE.fullmatch(content_type) else media.DEFAULT
        name = safe_name(name)
        head, whole = await _peek(chunks)
        if type_ == media.DEFAULT and not media.extension_of(name):
            type_ = media.by_content(head) or type_
            name += media.extension_for(type_)
        id = ids.random32()
        now = self._clock.now()
        pending = File(
            id=id,
            account_id=caller.id,
            kind=FileKind.UPLOAD,
            name=name,
            content_type=type_,
            size=0,
            sha256="",
            md5="",
            created_at=now,
            expires_at=now + self._ttl,
            metadata=dict(metadata),
        )
        try:
            stored = await self._blobs.put_stream(pending.key, whole, self._max_file)
        except TooLarge:
            raise TooLarge(f"Files must be less than {_size(self._max_file)} in size") from None
        file = msgspec.structs.replace(pending, size=stored.size, sha256=stored.sha256, md5=stored.md5)
        await self._store.files.add(file)
        return file

    async def get(self, caller: Account, id: str) -> File:
        """An upload of the caller. Raises NotFound, also for an expired one."""
        file = await self._find(id)
        if file.account_id != caller.id:
            raise NotFound("File not found")
        return file

    async def page(self, caller: Account, cursor: Cursor | None = None, *, limit: int = 100) -> Page[File]:
        return await self._store.files.page(caller.id, cursor=cursor, limit=limit)

    async def delete(self, caller: Account, id: str) -> None:
        """Row and bytes. Raises NotFound."""
        file = await self.get(caller, id)
        await self._store.files.delete([file.id])
        await self._blobs.delete([file.key])

    def link(self, owner: str, file: File) -> Link:
        """To the bytes of a file, for as long as it lives; for as long as an upload does if it stays."""
        expiry = math.ceil(self._clock.now() + self._ttl if file.expires_at is None else file.expires_at)
        return Link(owner, expiry, self.signed(owner, file.id, expiry))

    def signed(self, owner: str, id: str, expiry: int) -> str:
        """The signature of a download link: `owner` is a username, `expiry` seconds since 1970."""
        text = f"{owner} {id} {expiry}".encode()
        return base64.b64encode(hmac.new(self._key, text, hashlib.sha256).digest()).decode()

    def check_signature(self, owner: str, id: str, expiry: int, signature: str) -> None:
        """Raises NotFound for a link that is forged or has run out."""
        expected = self.signed(owner, id, expiry).encode()
        genuine = hmac.compare_digest(expected, signature.encode("utf-8", "replace"))
        if not genuine or expiry < self._clock.now():
            raise NotFound("File not found")

    async def open(self, id: str, name: str | None = None) -> File:
        """Any file by its unguessable id; a name must be the right one. Raises NotFound."""
        file = await self._find(id)
        if name is not None and name != file.name:
            raise NotFound("File not found")
        return file

    def content(self, file: File, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Chunks of the bytes [start, end)."""
        return self._blobs.stream(file.key, start, end)

    async def _find(self, id: str) -> File:
        file = await self._store.files.get(id) if ids.PREDICTION_ID.fullmatch(id) else None
        if file is None or (file.expires_at is not None and file.expires_at <= self._clock.now()):
            raise NotFound("File not found")
        return file


async def _peek(chunks: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes, enough to tell the type, and an iterator over all."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= media.HEAD:
            break

    async def whole() -> AsyncIterator[bytes]:
        if head:
            yield head
        async for chunk in chunks:
            yield chunk

    return head, whole()


def _size(limit: int) -> str:
    return f"{limit // 2**20}MB" if limit >= 2**20 else f"{limit} bytes"
