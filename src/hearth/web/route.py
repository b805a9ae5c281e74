"""What a page is: one row of the table in `routes.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from hearth.web.http import Reply, Stream
    from hearth.web.request import Request


class For(StrEnum):
    """Whom a page is for."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    """Others are sent to sign in, and come back."""
    ADMIN = "admin"
    """For others the page does not exist."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str
    """`{name}` stands for one segment."""
    handler: Callable[[Request], Awaitable[Reply | Stream]]
    whom: For = For.ANYONE
    programs: bool = False
    """Answers also callers that do not ask for HTML; for them other unknown paths are the API's JSON 404."""
    max_form: int = 1024 * 1024
    """Bytes of a posted form."""
