"""Who calls. A token belongs to exactly one account; requests act as its owner."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hearth.domain.priority import Priority


class AccountType(StrEnum):
    USER = "user"
    ORGANIZATION = "organization"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    username: str
    created_at: float
    type: AccountType = AccountType.USER
    name: str = ""
    admin: bool = False
    github_url: str | None = None
    avatar_url: str | None = None
    webhook_secret: bytes = b""
    """`whsec_…`, sealed with the server's key."""
    creates_per_minute: int | None = None
    """Predictions it may create; None: as the server has it, 0: no limit."""
    others_per_minute: int | None = None
    """Other calls it may make; None and 0 as above. Getting one prediction has 20 times this."""
    retention: float | None = None
    """Seconds for which new API predictions keep their data; None: as the server has it."""
    ceiling: Priority = Priority.INTERACTIVE
    """The most urgent it may ask for: of the token that it came with. Not stored with the account."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """An API token. The token itself is shown once and stored only as a hash."""

    hash: str
    account_id: str
    name: str
    created_at: float
    hint: str = ""
    """Last four characters, to tell tokens apart in a list."""
    disabled_at: float | None = None
    priority: Priority = Priority.INTERACTIVE
    """The most urgent that its predictions may be."""
