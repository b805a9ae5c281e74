"""Ports for outgoing HTTP. Adapters resolve names themselves and connect only to addresses the policy allows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol


class Fetched(NamedTuple):
    path: Path
    name: str
    content_type: str
    size: int


class Reply(NamedTuple):
    """What a webhook receiver answered."""

    status: int
    duration: float


class Fetcher(Protocol):
    async def fetch(self, url: str, folder: Path, limit: int) -> Fetched:
        """Download `http(s)://…` or decode `data:…` into `folder`, under a safe name taken from the URL
        (extension kept, or derived from the type). Raises AddressRefused, FetchFailed, TooLarge."""
        ...

    async def close(self) -> None: ...


class Sender(Protocol):
    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        """POST once; redirects are not followed. Raises AddressRefused, FetchFailed (no answer in time)."""
        ...

    async def close(self) -> None: ...
