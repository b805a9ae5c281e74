"""Posted forms: urlencoded ones, and multipart ones with their files, read as they stream in."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from hearth.errors import InvalidRequest, TooLarge

IN_MEMORY = 1024 * 1024
MAX_FIELDS = 2000
CHUNK = 256 * 1024


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a form."""

    name: str
    content_type: str | None
    size: int
    content: IO[bytes]

    async def chunks(self) -> AsyncIterator[bytes]:
        self.content.seek(0)
        while chunk := await asyncio.to_thread(self.content.read, CHUNK):
            yield chunk


class Form:
    """Fields by name, each with all of its values, and files. `close` removes the files."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}
        self.files: dict[str, list[Posted]] = {}

    def get(self, name: str, default: str = "") -> str:
        """The first value, without blanks around it."""
        return self.fields.get(name, [default])[0].strip()

    def text(self, name: str) -> str | None:
        """The first value as it is; line ends are `\\n`, whatever browsers make of them."""
        values = self.fields.get(name)
        return values[0].replace("\r\n", "\n") if values else None

    def has(self, name: str) -> bool:
        return name in self.fields

    def add(self, name: str, value: str) -> None:
        self.fields.setdefault(name, []).append(value)

    def close(self) -> None:
        for files in self.files.values():
            for file in files:
                file.content.close()


async def read(content_type: str | None, chunks: AsyncIterator[bytes], limit: int) -> Form:
    """Raises TooLarge beyond `limit` bytes, InvalidRequest for what is no form."""
    kind, options = parse_options_header((content_type or "").encode("latin-1"))
    if kind == b"multipart/form-data" and options.get(b"boundary"):
        return await _multipart(options[b"boundary"], chunks, limit)
    if kind != b"application/x-www-form-urlencoded":
        raise InvalidRequest("Send a form.")
    body = b"".join([chunk async for chunk in _limited(chunks, limit)])
    form = Form()
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest("The form could not be read.") from error
    for name, value in pairs:
        form.add(name, value)
    return form


class _Part:
    def __init__(self) -> None:
        self.headers: dict[str, bytes] = {}
        self.field, self.value = bytearray(), bytearray()
        self.name = ""
        self.filename: str | None = None
        self.data = bytearray()
        self.spool: IO[bytes] | None = None
        self.size = 0


class _Reader:
    """The parser's callbacks."""

    def __init__(self) -> None:
        self.form = Form()
        self.part = _Part()
        self.complete = False
        self.parts = 0

    def on_part_begin(self) -> None:
        self.part = _Part()
        self.parts += 1
        if self.parts > MAX_FIELDS:
            raise InvalidRequest("The form has too many fields.")

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.part.field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.part.value += data[start:end]

    def on_header_end(self) -> None:
        part = self.part
        part.headers[bytes(part.field).lower().decode("latin-1")] = bytes(part.value)
        part.field, part.value = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        part = self.part
        _, options = parse_options_header(part.headers.get("content-disposition", b""))
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            part.filename = options[b"filename"].decode("utf-8", "replace")
            part.spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - Form.close

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.part.size += end - start
        if self.part.spool is not None:
            self.part.spool.write(data[start:end])
        else:
            self.part.data += data[start:end]

    def on_part_end(self) -> None:
        part = self.part
        if part.spool is None:
            self.form.add(part.name, part.data.decode("utf-8", "replace"))
        elif not part.filename and part.size == 0:
            part.spool.close()  # a file input that nobody used
        else:
            kind = part.headers.get("content-type", b"").decode("latin-1").strip() or None
            file = Posted(name=part.filename or "file", content_type=kind, size=part.size, content=part.spool)
            self.form.files.setdefault(part.name, []).append(file)

    def on_end(self) -> None:
        self.complete = True

    def close(self) -> None:
        """Give up what has been read, the part that is not complete included."""
        self.form.close()
        if self.part.spool is not None:
            self.part.spool.close()


_CALLBACKS = ("part_begin", "header_field", "header_value", "header_end", "headers_finished", "part_data", "part_end")


async def _multipart(boundary: bytes, chunks: AsyncIterator[bytes], limit: int) -> Form:
    reader = _Reader()
    callbacks = {f"on_{name}": getattr(reader, f"on_{name}") for name in (*_CALLBACKS, "end")}
    parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
    try:
        async for chunk in _limited(chunks, limit):
            if len(chunk) > IN_MEMORY:
                await asyncio.to_thread(parser.write, chunk)
            else:
                parser.write(chunk)
        if not reader.complete:
            raise InvalidRequest("The form is cut off: its last boundary is missing.")
    except MultipartParseError as error:
        reader.close()
        raise InvalidRequest(f"The form could not be read: {error}") from None
    except BaseException:
        reader.close()
        raise
    return reader.form


async def _limited(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"A form may have at most {max(limit // 2**20, 1)} MB.")
        yield chunk
