"""Stored bytes over HTTP: HEAD, ranges, validators, and headers that keep them from acting in our origin.

What a model made is served as it is, so it must never run as a page of ours: the sandbox policy takes
its scripts and its origin away, and `nosniff` holds its type.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import quote

from hearth.api.http import PROBLEM, Headers, Reply, Request, Stream
from hearth.domain.file import File

_RANGE = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")
_PRINTABLE = re.compile(r"^[\x21-\x7e][\x20-\x7e]*/[\x20-\x7e]+$")
_SAFE_NAME = re.compile(r"[^A-Za-z0-9._+@=,()\- ]")
_WHOLE = (0, -1)


async def serve(request: Request, file: File, *, disposition: str, cache: bytes) -> Reply | Stream:
    """The file, or the part that `Range` asks for, or 304 if the caller has it. Raises NotFound."""
    etag = f'"{file.md5}"'
    headers: Headers = [
        (b"etag", etag.encode()),
        (b"cache-control", cache),
        (b"accept-ranges", b"bytes"),
        (b"content-disposition", _disposition(disposition, file.name)),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
        (b"cross-origin-resource-policy", b"cross-origin"),
    ]
    kind = file.content_type if _PRINTABLE.match(file.content_type) else "application/octet-stream"
    if _matches(request.header(b"if-none-match"), etag):
        return Reply(304, b"", b"", headers)
    wanted = _range(request, etag, file.size)
    if wanted is None:
        headers.append((b"content-range", f"bytes */{file.size}".encode()))
        body = b'{"title":"Range not satisfiable","detail":"The file has %d bytes.","status":416}' % file.size
        return Reply(416, body, PROBLEM, headers)
    start, end = (0, file.size) if wanted == _WHOLE else wanted
    status = 200 if wanted == _WHOLE else 206
    if status == 206:
        headers.append((b"content-range", f"bytes {start}-{end - 1}/{file.size}".encode()))
    headers.append((b"content-length", str(end - start).encode()))
    if request.method == "HEAD" or end == start:
        return Stream(_nothing(), kind.encode(), status, headers)
    content = request.services.files.content(file, start, end)
    first = await anext(content, b"")  # a missing blob is a 404, not a broken body
    return Stream(_chunks(first, content), kind.encode(), status, headers)


async def _chunks(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for chunk in rest:
        yield chunk


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""


def _disposition(kind: str, name: str) -> bytes:
    plain = _SAFE_NAME.sub("_", name) or "file"
    extra = f"; filename*=UTF-8''{quote(name, safe='')}" if plain != name else ""
    return f'{kind}; filename="{plain}"{extra}'.encode("latin-1")


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in header.split(","))


def _range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """[start, end) of what is asked for, _WHOLE for everything, None if the file has no such bytes.

    Several ranges, other units and an `If-Range` that no longer holds mean everything (RFC 9110, 14.2).
    """
    header = request.header(b"range")
    match = _RANGE.match(header.strip()) if header else None
    if match is None or (match[1] == "" and match[2] == ""):
        return _WHOLE
    valid_if = request.header(b"if-range")
    if valid_if is not None and valid_if.strip() != etag:
        return _WHOLE
    if match[1] == "":
        length = min(int(match[2]), size)
        return (size - length, size) if length else None
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        return _WHOLE
    return (start, end) if start < size else None
