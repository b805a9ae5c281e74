"""Who is signed in with a browser. What proves it is stored only as a hash."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class SessionKind(StrEnum):
    BROWSER = "browser"
    """A cookie stands for it."""
    LINK = "link"
    """An address that signs a browser in, once."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    hash: str
    account_id: str
    kind: SessionKind
    created_at: float
    expires_at: float
    about: str = ""
    """To tell them apart in a list: `Firefox on Linux`."""
    token: str | None = None
    """The hash of the API token that began it: it ends when that is disabled."""
