"""Uploads: multipart/form-data, read as it streams in.

Metadata comes in three encodings (client-contract.md section 11): a plain JSON field, a JSON file part,
and bracketed fields (`metadata[a][b]=1`). The content waits in a spooled temporary file, because
fields that describe it may follow it.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from typing import IO, Any
from urllib.parse import unquote_to_bytes

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from hearth.errors import InvalidRequest, Pointer, TooLarge

IN_MEMORY = 1024 * 1024
FIELD_LIMIT = 1024 * 1024
CHUNK = 256 * 1024
_EXTENDED = re.compile(rb""";\s*filename\*\s*=\s*"?(utf-8|iso-8859-1)'[A-Za-z0-9-]*'([^;"\s]+)""", re.IGNORECASE)


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """What a form held. `content` is open at its start; close it."""

    name: str
    content_type: str
    metadata: dict[str, Any]
    content: IO[bytes]

    async def chunks(self) -> AsyncIterator[bytes]:
        while chunk := await asyncio.to_thread(self.content.read, CHUNK):
            yield chunk


class _Part:
    def __init__(self) -> None:
        self.headers: dict[str, bytes] = {}
        self.field, self.value = bytearray(), bytearray()
        self.name = ""
        self.filename: str | None = None
        self.data = bytearray()

    def end_header(self) -> None:
        self.headers[bytes(self.field).lower().decode("latin-1")] = bytes(self.value)
        self.field, self.value = bytearray(), bytearray()

    def end_headers(self) -> None:
        _, options = parse_options_header(self.headers.get("content-disposition", b""))
        self.name = _text(options.get(b"name", b""))
        if b"filename" in options:
            self.filename = _text(options[b"filename"])
        self.filename = _extended(self.headers.get("content-disposition", b"")) or self.filename


class _Form:
    """The parser's callbacks. Content piles up in `pending` until `read_upload` writes it away."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.part = _Part()
        self.content: _Part | None = None
        self.pending = bytearray()
        self.size = 0
        self.fields: dict[str, bytes] = {}
        self.complete = False

    def on_part_begin(self) -> None:
        self.part = _Part()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.part.field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.part.value += data[start:end]

    def on_header_end(self) -> None:
        self.part.end_header()

    def on_headers_finished(self) -> None:
        self.part.end_headers()
        if self.part.name == "content":
            if self.content is not None:
                raise _wrong("/content", "Send one file at a time.")
            self.content = self.part

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.part is self.content:
            self.size += end - start
            if self.size > self.limit:
                raise TooLarge(f"Files must be less than {self.limit // (1024 * 1024)}MB in size")
            self.pending += data[start:end]
        else:
            self.part.data += data[start:end]
            if len(self.part.data) > FIELD_LIMIT:
                raise TooLarge("Form fields must be less than 1MB in size")

    def on_part_end(self) -> None:
        if self.part is not self.content and self.part.name:
            self.fields[self.part.name] = bytes(self.part.data)

    def on_end(self) -> None:
        self.complete = True


async def read_upload(content_type: str | None, chunks: AsyncIterator[bytes], limit: int) -> Upload:
    """The form's file and what it says of it. Raises InvalidRequest, and TooLarge beyond `limit` bytes."""
    kind, options = parse_options_header((content_type or "").encode("latin-1"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequest("Send multipart/form-data with a part named content.")
    form = _Form(limit)
    callbacks = {
        name: getattr(form, name)
        for name in (
            "on_part_begin",
            "on_header_field",
            "on_header_value",
            "on_header_end",
            "on_headers_finished",
            "on_part_data",
            "on_part_end",
            "on_end",
        )
    }
    parser = MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]
    # Closed by the caller with the upload, or below if there is none.
    spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    try:
        async for chunk in chunks:
            parser.write(chunk)
            if form.size <= IN_MEMORY:
                spool.write(form.pending)
            else:
                await asyncio.to_thread(spool.write, bytes(form.pending))
            form.pending.clear()
        upload = _upload(form, spool)
        spool.seek(0)
    except MultipartParseError as error:
        spool.close()
        raise InvalidRequest(f"The form could not be read: {error}") from None
    except BaseException:
        spool.close()
        raise
    return upload


def _upload(form: _Form, spool: IO[bytes]) -> Upload:
    if not form.complete:
        raise InvalidRequest("The form is cut off: its last boundary is missing.")
    part = form.content
    if part is None:
        raise _wrong("/content", "content is required")
    named = form.fields.get("filename")
    name = (_text(named) if named else part.filename) or "file"
    name = name.replace("\\", "/").rsplit("/", 1)[-1] or "file"
    if len(name.encode()) > 255:
        raise _wrong("/filename", "A file name has at most 255 bytes.")
    type_ = form.fields.get("type") or part.headers.get("content-type") or b"application/octet-stream"
    return Upload(
        name=name, content_type=type_.decode("latin-1").strip(), metadata=_metadata(form.fields), content=spool
    )


def _metadata(fields: dict[str, bytes]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if fields.get("metadata", b"").strip():
        try:
            metadata = msgspec.json.decode(fields["metadata"], type=dict[str, Any] | None) or {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _wrong("/metadata", "metadata must be a JSON object.") from None
    for name, value in fields.items():
        if name.startswith("metadata[") and name.endswith("]"):
            *path, last = name[len("metadata[") : -1].split("][")
            place = metadata
            for key in path:
                inner = place.setdefault(key, {})
                if not isinstance(inner, dict):
                    raise _wrong("/metadata", f"metadata names {key} twice, once as a value.")
                place = inner
            place[last] = _text(value)
    return metadata


def _extended(disposition: bytes) -> str | None:
    """The name in `filename*=UTF-8''na%C3%AFve.txt`, as older HTTP libraries write names beyond ASCII (RFC 5987)."""
    found = _EXTENDED.search(disposition)
    try:
        return unquote_to_bytes(found[2]).decode(found[1].decode()) if found else None
    except UnicodeDecodeError:
        return None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _wrong(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=(Pointer(pointer, detail),))
