"""Reads a tar archive, gzipped or not, while it arrives: never a whole member in memory.

Only what our own pushes write is understood: regular files, and of PAX headers the size.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import AsyncIterator

from hearth.errors import InvalidRequest

_BLOCK = tarfile.BLOCKSIZE
_PIECE = 256 * 1024
"""Bytes handed on at once; also what a compressed chunk may grow to in one step."""
_MAX_HEADER = 1024 * 1024
"""Bytes of a PAX header: a real one has a few hundred."""
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE)
_PAX_SIZE = re.compile(rb"(?:^|\n)[0-9]+ size=([0-9]+)\n")
"""Files from 8 GiB on have their size here."""


class Member:
    """One file of the archive. Read `content` to its end before the next one is asked for."""

    def __init__(self, name: str, size: int, source: _Bytes) -> None:
        self.name = name
        self.size = size
        self._left = size
        self._source = source

    async def content(self) -> AsyncIterator[bytes]:
        while self._left:
            piece = await self._source.some(min(self._left, _PIECE))
            self._left -= len(piece)
            yield piece

    async def skip(self) -> None:
        async for _ in self.content():
            pass


async def members(chunks: AsyncIterator[bytes]) -> AsyncIterator[Member]:
    """The regular files in order; what is left of a member is skipped. Raises InvalidRequest for what is no
    archive, is cut short, or holds anything but files."""
    source = _Bytes(_unzipped(chunks))
    size: int | None = None
    while True:
        header = await source.exactly(_BLOCK, end_is_fine=True)
        if not header.strip(b"\0"):
            await source.drain()
            return
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The body is not a tar archive: {error}.") from None
        if info.type in _PAX and 0 <= info.size <= _MAX_HEADER:
            found = _PAX_SIZE.search(await source.exactly(info.size))
            size = int(found[1]) if found else None
            await source.exactly(-info.size % _BLOCK)
        elif info.isreg() and info.size >= 0:
            member = Member(info.name, info.size if size is None else size, source)
            size = None
            yield member
            await member.skip()
            await source.exactly(-member.size % _BLOCK)
        else:
            raise InvalidRequest(f"The archive holds {info.name!r}, which is not a regular file.")


async def _unzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes as they are, or decompressed if they begin like gzip."""
    zipped: zlib._Decompress | None = None
    first = True
    held = b""
    async for chunk in chunks:
        if first:
            held += chunk
            if len(held) < 2:
                continue
            first, chunk = False, held
            zipped = zlib.decompressobj(wbits=31) if held[:2] == b"\x1f\x8b" else None
        if zipped is None:
            yield chunk
            continue
        while chunk and not zipped.eof:
            try:
                piece = zipped.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise InvalidRequest(f"The archive cannot be decompressed: {error}.") from None
            chunk = zipped.unconsumed_tail
            if piece:
                yield piece
    if first and held:
        yield held


class _Bytes:
    """Exact reads from chunks of any size."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    async def some(self, limit: int) -> bytes:
        """1 to `limit` bytes."""
        if not self._held:
            self._held = await self._next()
            if not self._held:
                raise InvalidRequest("The archive ended too early.", hint="Send it again: what arrived is kept.")
        piece, self._held = self._held[:limit], self._held[limit:]
        return piece

    async def exactly(self, size: int, *, end_is_fine: bool = False) -> bytes:
        """`size` bytes; with `end_is_fine` nothing at all if the stream has ended."""
        if end_is_fine and not self._held:
            self._held = await self._next()
            if not self._held:
                return b""
        parts = []
        while size:
            parts.append(await self.some(size))
            size -= len(parts[-1])
        return b"".join(parts)

    async def drain(self) -> None:
        """Read to the end, so that the connection can go on."""
        self._held = b""
        while await self._next():
            pass

    async def _next(self) -> bytes:
        async for chunk in self._chunks:
            if chunk:
                return chunk
        return b""
