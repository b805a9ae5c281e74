"""What a checked input becomes before it is stored: own files by reference, large data as files, secrets sealed.

Sources: client-contract.md 10 (clients send the metadata URL of an upload, on whatever host they know us by);
replicate-platform.md 10 and 21.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain import media
from hearth.domain.account import Account
from hearth.domain.file import PREFIX, File, FileKind, parse_reference
from hearth.domain.schema import InputSchema
from hearth.errors import InvalidField, InvalidInput
from hearth.seal import Sealer
from hearth.store.base import Store

MASK = "**********"
"""What is stored and shown of a secret (replicate-platform.md 21)."""

_OWN_URL = re.compile(r"https?://[^/?#\s]+/v1/files/([0-9a-z]{26})(?:/([^/?#\s]+))?(?:[?#].*)?", re.IGNORECASE)
_THREAD_FROM = 1024 * 1024
"""Characters of a data URI that are decoded beside the event loop."""


class Prepared(NamedTuple):
    input: dict[str, Any]
    """As stored."""
    secrets: bytes | None
    """JSON of the real values by field, sealed."""


class _Refused(Exception):
    """A file value that leads nowhere. The message is for the caller."""


class Inputs:
    def __init__(
        self, *, store: Store, blobs: Blobs, sealer: Sealer, clock: Clock, inline_limit: int = 256 * 1024
    ) -> None:
        """`inline_limit`: characters of a data URI that may stay in the row."""
        self._store = store
        self._blobs = blobs
        self._sealer = sealer
        self._clock = clock
        self._inline_limit = inline_limit

    async def prepare(
        self, caller: Account, schema: InputSchema, input: dict[str, Any], prediction_id: str
    ) -> Prepared:
        """`input` has passed `schema.check`. Raises InvalidInput for a file that is not the caller's."""
        changed: dict[str, Any] = {}
        problems: list[InvalidField] = []
        for name in schema.file_fields & input.keys():
            try:
                changed[name] = await self._files(caller, input[name], prediction_id)
            except _Refused as refused:
                problems.append(InvalidField("format", f"input.{name}", str(refused)))
        if problems:
            raise InvalidInput(tuple(sorted(problems)))
        secrets = {name: input[name] for name in schema.secret_fields & input.keys() if input[name] is not None}
        changed |= {name: _masked(value) for name, value in secrets.items()}
        sealed = self._sealer.seal(msgspec.json.encode(secrets)) if secrets else None
        return Prepared({**input, **changed} if changed else input, sealed)

    async def discard(self, prediction_id: str) -> None:
        """Remove what `prepare` stored for a prediction that came to nothing."""
        files = await self._store.files.of_predictions([prediction_id])
        if files:
            await self._blobs.delete([file.key for file in files])
            await self._store.files.delete([file.id for file in files])

    async def _files(self, caller: Account, value: Any, prediction_id: str) -> Any:
        if isinstance(value, list):
            return [await self._files(caller, item, prediction_id) for item in value]
        if not isinstance(value, str):
            return value
        if value[:5].lower() == "data:":
            if len(value) <= self._inline_limit:
                return value
            return (await self._keep(caller, value, prediction_id)).reference
        own = _OWN_URL.fullmatch(value)
        if own is not None:
            return await self._own(caller, own[1].lower(), unquote(own[2]) if own[2] else None)
        if value.startswith(PREFIX):
            id, name = parse_reference(value) or ("", None)
            return await self._own(caller, id, name)
        return value

    async def _own(self, caller: Account, id: str, name: str | None) -> str:
        """Uploads are their owner's. Whoever knows the whole URL of another file may read it, and so use it."""
        file = await self._store.files.get(id)
        known = file is not None and (
            file.account_id == caller.id or (file.kind is not FileKind.UPLOAD and name == file.name)
        )
        if file is None or not known:
            raise _Refused("There is no such file here, or it is not yours. Upload it to /v1/files")
        if file.expires_at is not None and file.expires_at <= self._clock.now():
            raise _Refused("This file has expired. Upload it again")
        return file.reference

    async def _keep(self, caller: Account, uri: str, prediction_id: str) -> File:
        content_type, data = await asyncio.to_thread(_decode, uri) if len(uri) > _THREAD_FROM else _decode(uri)
        id = ids.random32()
        file = File(
            id=id,
            account_id=caller.id,
            kind=FileKind.INPUT,
            name="file" + media.extension_for(content_type),
            content_type=content_type,
            size=len(data),
            sha256="",
            md5="",
            created_at=self._clock.now(),
            prediction_id=prediction_id,
        )
        stored = await self._blobs.put(file.key, data)
        file = msgspec.structs.replace(file, sha256=stored.sha256, md5=stored.md5)
        await self._store.files.add(file)
        return file


def _decode(uri: str) -> tuple[str, bytes]:
    head, _, body = uri[5:].partition(",")
    content_type, *parameters = [part.strip().lower() for part in head.split(";")]
    if "base64" not in parameters:
        return content_type or "text/plain", unquote_to_bytes(body)
    try:
        data = base64.b64decode(unquote(body) if "%" in body else body, validate=True)
    except (binascii.Error, ValueError):
        raise _Refused("This data: URI is not valid base64") from None
    return content_type or "text/plain", data


def _masked(value: Any) -> Any:
    return [MASK for _ in value] if isinstance(value, list) else MASK
