"""Incremental parsers for what coglet sends: an HTTP/1.1 response, and server-sent events inside it.

Fed with whatever a read brought, split anywhere; they call back for each piece at once and keep only what
is not complete yet.
"""

from __future__ import annotations

from collections.abc import Callable


class Response:
    """One response. `feed` is True once it is complete; bytes after its end are kept in `rest`.

    A response with neither a length nor chunked encoding is taken as having no body: coglet never sends one.
    """

    __slots__ = ("_buffer", "_chunked", "_left", "_on_body", "_skip", "headers", "keep_alive", "status")

    def __init__(self, on_body: Callable[[bytearray], None]) -> None:
        self._on_body = on_body
        self._buffer = bytearray()
        self._chunked = False
        self._left = 0
        """Bytes of the body (or of the current chunk) still to come."""
        self._skip = 0
        """Bytes of the line end after a chunk still to come."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.keep_alive = True

    @property
    def rest(self) -> bytearray:
        return self._buffer

    def feed(self, data: bytes) -> bool:
        """Takes the next bytes. Raises ValueError where they are not HTTP."""
        buffer = self._buffer
        buffer += data
        at = 0
        if not self.status:
            at = buffer.find(b"\r\n\r\n") + 4
            if at == 3:
                return False
            self._head(bytes(buffer[: at - 4]))
        at, complete = self._chunks(buffer, at) if self._chunked else self._plain(buffer, at)
        del buffer[:at]
        return complete

    def _head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise ValueError(f"not an HTTP response: {first[:80]!r}")
        self.status = int(rest[:3])
        for line in lines:
            name, _, value = line.partition(b":")
            self.headers[name.lower()] = value.strip()
        self._chunked = self.headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        self._left = 0 if self._chunked else int(self.headers.get(b"content-length", b"0"))
        connection = self.headers.get(b"connection", b"").lower()
        self.keep_alive = connection != b"close" and version == b"HTTP/1.1"

    def _plain(self, buffer: bytearray, at: int) -> tuple[int, bool]:
        end = min(len(buffer), at + self._left)
        if end > at:
            self._left -= end - at
            self._on_body(buffer[at:end])
        return end, self._left == 0

    def _chunks(self, buffer: bytearray, at: int) -> tuple[int, bool]:
        size = len(buffer)
        while True:
            if self._left:
                end = min(size, at + self._left)
                if end == at:
                    return at, False
                self._left -= end - at
                piece = buffer[at:end]
                at = end
                self._on_body(piece)
            elif self._skip:
                step = min(size - at, self._skip)
                if not step:
                    return at, False
                at += step
                self._skip -= step
            else:
                line = buffer.find(b"\r\n", at)
                if line < 0:
                    return at, False
                length = int(buffer[at:line].partition(b";")[0], 16)
                if not length:
                    end = buffer.find(b"\r\n\r\n", line)
                    return (at, False) if end < 0 else (end + 4, True)
                self._left, self._skip = length, 2
                at = line + 2


class EventStream:
    """Server-sent events with `\\n` line ends, as coglet writes them. Comments are dropped."""

    __slots__ = ("_buffer", "_on_event")

    def __init__(self, on_event: Callable[[bytes, bytes], None]) -> None:
        self._on_event = on_event
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        """Calls back with (name, data) for each event that is complete now."""
        buffer = self._buffer
        searched = max(0, len(buffer) - 1)
        buffer += data
        start = 0
        while (end := buffer.find(b"\n\n", searched)) >= 0:
            self._event(bytes(buffer[start:end]))
            start = searched = end + 2
        del buffer[:start]

    def _event(self, block: bytes) -> None:
        name, data = b"message", b""
        parts = 0
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data = data + b"\n" + value if parts else value
                parts += 1
            elif field == b"event":
                name = value
        if parts:
            self._on_event(name, data)
