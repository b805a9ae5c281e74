"""Cursors and pages: what every list of the store answers with."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")


class Cursor(NamedTuple):
    """A position between rows: everything strictly beyond `(at, id)` in the page's direction."""

    at: float
    id: str
    reverse: bool = False
    """False: older rows follow. True: the page before, newer rows, still returned newest first."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    items: list[T]
    older: Cursor | None
    """Where the next page starts; None at the end."""
    newer: Cursor | None
    """Where the previous page starts; None at the beginning."""
