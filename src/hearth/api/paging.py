"""Cursors and pages: absolute `next` and `previous` URLs, with the caller's filters kept.

A cursor is opaque to callers: base64 of the position it stands for (client-contract.md section 12).
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from hearth.api.bodies import PageBody
from hearth.api.http import Request
from hearth.errors import InvalidRequest, Pointer
from hearth.store.base import Cursor, Page

T = TypeVar("T")


def cursor(request: Request) -> Cursor | None:
    """The position that `?cursor=` names. Raises InvalidRequest for one we did not make."""
    text = request.query.get("cursor")
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        at, id_, way = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(" ")
        position = Cursor(float(at), id_, way == "r")
        if not math.isfinite(position.at) or way not in ("f", "r"):
            raise ValueError(text)
        return position
    except (ValueError, binascii.Error):
        detail = "This cursor is not one of ours: follow `next` and `previous` as they are."
        raise InvalidRequest(errors=(Pointer("/cursor", detail),)) from None


def page(request: Request, found: Page[Any], results: Iterable[T]) -> PageBody[T]:
    """The page as an answer; `results` are its items on the wire."""
    return PageBody(_link(request, found.older), _link(request, found.newer), list(results))


def time(request: Request, name: str) -> float | None:
    """A filter such as `created_after`: ISO 8601, UTC if it names no zone. Raises InvalidRequest."""
    text = request.query.get(name)
    if not text:
        return None
    try:
        # An unescaped "+00:00" arrives with a blank for the plus.
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        detail = f"{text[:40]!r} is not a time: write it like 2026-01-31T10:00:00Z."
        raise InvalidRequest(errors=(Pointer(f"/{name}", detail),)) from None


def _link(request: Request, position: Cursor | None) -> str | None:
    if position is None:
        return None
    text = f"{position.at!r} {position.id} {'r' if position.reverse else 'f'}"
    query = {k: v for k, v in request.query.items() if k != "cursor"}
    query["cursor"] = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{request.origin}{request.path}?{urlencode(query)}"
