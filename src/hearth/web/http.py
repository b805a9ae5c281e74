"""What pages answer with, and the types of bare ASGI."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

HTML = b"text/html; charset=utf-8"
JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
EVENTS = b"text/event-stream"
LINES = b"application/jsonl"
TOAST = "hearth_toast"
"""A cookie: one sentence that the next page shows once."""
_MAX_TOAST = 300


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. `headers` are added to the ones every answer has."""

    body: bytes = b""
    status: int = 200
    content_type: bytes = HTML
    headers: Headers = []


_LIVE: tuple[tuple[bytes, bytes], ...] = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))


class Stream(msgspec.Struct, frozen=True):
    """Server-sent events; each chunk is sent at once."""

    chunks: AsyncGenerator[bytes, None]
    content_type: bytes = EVENTS
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = _LIVE


def redirect(to: str, *, toast: str | None = None) -> Reply:
    """To a page of ours, after a POST (303). `toast` is shown there once."""
    headers: Headers = [(b"location", quote(to, safe="/?&=%:#+,;@!$'()*~-._[]").encode())]
    if toast is not None:
        headers.append(cookie(TOAST, quote(toast[:_MAX_TOAST]), max_age=60))
    return Reply(b"", 303, b"", headers)


def cookie(
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    http_only: bool = True,
    secure: bool = False,
    same_site: str = "Lax",
) -> tuple[bytes, bytes]:
    """A Set-Cookie header. `max_age` in seconds; 0 deletes it, None keeps it until the browser ends."""
    text = f"{name}={value}; Path=/; SameSite={same_site}"
    if max_age is not None:
        text += f"; Max-Age={max_age}"
    if http_only:
        text += "; HttpOnly"
    if secure:
        text += "; Secure"
    return b"set-cookie", text.encode("latin-1")
