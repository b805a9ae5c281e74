"""What the catalogue holds beside models: collections and pages of documentation."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """Models that an admin put together, in an order of its own."""

    slug: str
    name: str
    description: str
    created_at: float
    full_description: str | None = None
    """Markdown."""


class DocPage(NamedTuple):
    """A page of documentation, as search knows it."""

    href: str
    """`/docs/…`."""
    name: str
    text: str


class Findable(StrEnum):
    """What can be searched for; what `Hit.key` is."""

    MODEL = "model"
    """Key: the model's id."""
    COLLECTION = "collection"
    """Key: its slug."""
    PAGE = "page"
    """Key: its address."""


class Hit(NamedTuple):
    key: str
    name: str
    score: float | None
    """Higher is better, within one answer; None for what was found although the words are spelled otherwise."""


class ModelOrder(StrEnum):
    """What lists of models are sorted by."""

    CREATED = "model_created_at"
    PUSHED = "latest_version_created_at"
