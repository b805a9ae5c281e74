"""A load client that costs little: one keep-alive connection per worker, no library between us and the socket."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Timing(NamedTuple):
    """Latencies in seconds, one per request, and how long all of them took together."""

    latencies: list[float]
    wall: float
    errors: int

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.wall

    def percentile(self, percent: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Connection:
    """One HTTP/1.1 connection. Requests go one after another."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self._tls = context if parts.scheme == "https" else None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port, ssl=self._tls)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", f"Content-Length: {len(data)}"]
        if data:
            lines.append("Content-Type: application/json")
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lowered = head.lower()
        if b"content-length:" in lowered:
            length = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            answer = await reader.readexactly(length) if length else b""
        elif b"chunked" in lowered:
            answer = await _chunked(reader)
        else:
            answer = await reader.read()
            self.close()
        return status, answer

    async def events(
        self, path: str, headers: dict[str, str], method: str = "GET", body: Any = None
    ) -> list[tuple[float, bytes]]:
        """Every line of an event stream with the time it came in; ends with the stream."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self._tls)
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Accept: text/event-stream"]
        if data:
            lines += [f"Content-Length: {len(data)}", "Content-Type: application/json"]
        lines += [f"{k}: {v}" for k, v in headers.items()] + ["Connection: close"]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        seen: list[tuple[float, bytes]] = []
        try:
            while line := await reader.readline():
                seen.append((time.time(), line))
                if line.startswith((b"event: done", b"event: completed")):
                    break
        finally:
            writer.close()
        return seen

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)
