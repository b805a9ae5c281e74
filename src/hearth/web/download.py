"""What a prediction made, to take away: its one file, a ZIP of several, its text, or its JSON."""

from __future__ import annotations

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncGenerator
from typing import IO, Any

import msgspec

from hearth.domain.file import File, parse_reference
from hearth.errors import NotFound
from hearth.web import outputs
from hearth.web.http import JSON, TEXT, Reply, Stream, redirect
from hearth.web.links import file_url, with_urls
from hearth.web.request import Request
from hearth.web.route import Route
from hearth.web.versions import kind_of

CHUNK = 256 * 1024
IN_MEMORY = 8 * 1024 * 1024


async def download(request: Request) -> Reply | Stream:
    """Raises NotFound for a prediction that is not there, or that has returned nothing."""
    found = await request.services.sharing.view(request.caller, request.params["id"])
    if found.output is None:
        raise NotFound("It has returned nothing that could be downloaded.")
    references = list(dict.fromkeys(_references(found.output)))
    if len(references) == 1:
        return redirect(file_url(references[0]))
    if references:
        return _attached(_zip(request, references), b"application/zip", f"{found.id}.zip")
    text = outputs.text_of(found.output, await kind_of(request, found))
    if text is not None:
        return Reply(text.encode(), 200, TEXT, [_disposition(f"{found.id}.txt")])
    body = msgspec.json.format(msgspec.json.encode(with_urls(found.output, request.origin)), indent=2)
    return Reply(body, 200, JSON, [_disposition(f"{found.id}.json")])


def _references(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if parse_reference(value) else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for item in items for found in _references(item)]


def _disposition(name: str) -> tuple[bytes, bytes]:
    return b"content-disposition", f'attachment; filename="{name}"'.encode()


def _attached(chunks: AsyncGenerator[bytes, None], kind: bytes, name: str) -> Stream:
    return Stream(chunks, kind, 200, (_disposition(name), (b"cache-control", b"private, no-store")))


async def _zip(request: Request, references: list[str]) -> AsyncGenerator[bytes, None]:
    """Names that are there twice get a number in front."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        names: set[str] = set()
        with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as archive:
            for number, reference in enumerate(references):
                id, name = parse_reference(reference) or ("", "")
                file = await request.services.files.open(id, name)
                await _add(request, archive, file, f"{number}-{name}" if name in names else name)
                names.add(name)
        spool.seek(0)
        while chunk := await asyncio.to_thread(spool.read, CHUNK):
            yield chunk


async def _add(request: Request, archive: zipfile.ZipFile, file: File, name: str) -> None:
    entry: IO[bytes]
    with archive.open(name, "w", force_zip64=True) as entry:
        async for chunk in request.services.files.content(file, 0, file.size):
            await asyncio.to_thread(entry.write, chunk)


ROUTES = (Route(method="GET", path="/p/{id}/download", handler=download, programs=True),)
