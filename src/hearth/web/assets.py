"""Static files, read once at the start. One address holds a hash over all of them, so that browsers may keep
them for ever and scripts may import each other by relative names."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

from hearth.web.http import Headers, Reply
from hearth.web.request import Request
from hearth.web.route import Route

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".woff2": b"font/woff2",
    ".png": b"image/png",
}
_KEEP: Headers = [(b"cache-control", b"public, max-age=31536000, immutable"), (b"vary", b"accept-encoding")]
_SMALL = 1024
"""Bytes from which on packing is worth it."""


class _Asset(NamedTuple):
    type: bytes
    body: bytes
    packed: bytes | None


def _load() -> tuple[dict[str, _Asset], str]:
    found, digest = {}, hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        type_ = TYPES.get(path.suffix)
        if type_ is None or not path.is_file():
            continue
        name, body = path.relative_to(FOLDER).as_posix(), path.read_bytes()
        digest.update(f"{name} {len(body)} ".encode() + body)
        text = path.suffix in (".css", ".js", ".svg") and len(body) > _SMALL
        found[name] = _Asset(type_, body, gzip.compress(body, 9, mtime=0) if text else None)
    return found, digest.hexdigest()[:10]


_ASSETS, VERSION = _load()


def url(name: str) -> str:
    """Raises KeyError for a file that there is not."""
    if name not in _ASSETS:
        raise KeyError(f"there is no static file {name}")
    return f"/static/{VERSION}/{name}"


async def serve(request: Request) -> Reply:
    folder = request.params.get("folder")
    name = f"{folder}/{request.params['name']}" if folder else request.params["name"]
    asset = _ASSETS.get(name)
    if asset is None:
        return Reply(b"", 404, b"")
    headers = [*_KEEP] if request.params["version"] == VERSION else [(b"cache-control", b"no-cache")]
    if asset.packed is not None and "gzip" in (request.header(b"accept-encoding") or ""):
        return Reply(asset.packed, 200, asset.type, [*headers, (b"content-encoding", b"gzip")])
    return Reply(asset.body, 200, asset.type, headers)


async def favicon(request: Request) -> Reply:
    request.params.update(version="", name="mark.svg")
    return await serve(request)


ROUTES = (
    Route(method="GET", path="/static/{version}/{name}", handler=serve, programs=True),
    Route(method="GET", path="/static/{version}/{folder}/{name}", handler=serve, programs=True),
    Route(method="GET", path="/favicon.ico", handler=favicon, programs=True),
)
