"""Pages of lists: cursors in addresses, and the addresses of the pages before and after."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, NamedTuple
from urllib.parse import urlencode

from hearth.store.base import Cursor, Page
from hearth.web.request import Request


class Links(NamedTuple):
    newer: str | None
    older: str | None


def cursor(request: Request, name: str = "cursor") -> Cursor | None:
    """Where the page begins; the first page for an address that somebody made up."""
    text = request.query.get(name, "")
    try:
        at, id, reverse = base64.urlsafe_b64decode(text.encode()).decode().split(" ")
        found = Cursor(float(at), id, reverse == "1")
    except (ValueError, UnicodeError, binascii.Error):
        return None
    return found if math.isfinite(found.at) and len(id) < 300 else None


def links(request: Request, page: Page[Any], name: str = "cursor") -> Links:
    """To the pages around this one, with everything else in the address kept."""
    return Links(_link(request, page.newer, name), _link(request, page.older, name))


def _link(request: Request, cursor: Cursor | None, name: str) -> str | None:
    if cursor is None:
        return None
    text = base64.urlsafe_b64encode(f"{cursor.at!r} {cursor.id} {int(cursor.reverse)}".encode()).decode()
    kept = [(key, value) for key, value in request.pairs if key != name]
    return f"{request.path}?{urlencode([*kept, (name, text)])}"
