"""The blob store's port. Keys are made by us and safe; a blob is whole or absent, never half-written."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import NamedTuple, Protocol


class Stored(NamedTuple):
    """What was learnt while the bytes went by."""

    size: int
    sha256: str
    md5: str


class Held(NamedTuple):
    """A blob that is there."""

    key: str
    size: int
    stored_at: float
    """Seconds since 1970."""


class Blobs(Protocol):
    async def put(self, key: str, data: bytes) -> Stored: ...

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], limit: int | None = None) -> Stored:
        """Raises TooLarge beyond `limit` bytes and leaves nothing behind."""
        ...

    async def put_file(self, key: str, path: Path) -> Stored:
        """Take a local file; it may be linked or moved if that is cheaper, and must not be written to afterwards."""
        ...

    async def get(self, key: str) -> bytes:
        """Raises NotFound."""
        ...

    def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Chunks of the bytes [start, end). Raises NotFound at the first chunk."""
        ...

    async def fetch(self, key: str, path: Path) -> None:
        """Write a private copy to a local path (a link where the file system has copy-on-write; else a copy)."""
        ...

    async def exists(self, key: str) -> bool: ...

    def walk(self) -> AsyncGenerator[list[Held], None]:
        """All of them, some hundreds at a time, in no order. What is stored or removed meanwhile may be missing."""
        ...

    async def delete(self, keys: list[str]) -> None:
        """Absent keys are no error."""
        ...
