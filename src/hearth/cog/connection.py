"""One keep-alive connection to a coglet, one exchange at a time.

coglet leaves Nagle's algorithm on, so the second small write of a response waits for our delayed ACK: 44 ms
per prediction (cog-runtime.md 5.3). Linux forgets TCP_QUICKACK by itself, so it is set again after each
write and read, on a socket of our own: uvloop's transports don't hand theirs out.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from hearth.cog.http1 import EventStream, Response
from hearth.errors import InstanceLost

QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""None on macOS, where each streamed request takes a new connection instead."""


class Answer:
    """What came back for one request. `body` stays empty for a stream, whose events went to the sink."""

    __slots__ = ("body", "status", "streamed")

    def __init__(self, status: int, body: bytes, streamed: bool) -> None:
        self.status, self.body, self.streamed = status, body, streamed


Sink = Callable[[bytes, bytes], bool]
"""Takes (event name, data) of a stream; True when this was the last one that matters."""


class Connection(asyncio.Protocol):
    """Made by `open`. `on_free` is called whenever the next exchange may begin."""

    def __init__(self, sock: socket.socket, on_free: Callable[[Connection], None]) -> None:
        self._sock = sock
        self._on_free = on_free
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self._stream: EventStream | None = None
        self._sink: Sink | None = None
        self._body = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None
        self.closed = False

    @classmethod
    async def open(cls, host: str, port: int, on_free: Callable[[Connection], None]) -> Connection:
        """Raises OSError when nobody listens."""
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, (host, port))
            connection = cls(sock, on_free)
            await loop.create_connection(lambda: connection, sock=sock)
        except BaseException:
            sock.close()
            raise
        return connection

    async def exchange(self, request: bytes, sink: Sink | None = None) -> Answer:
        """Sends a whole request and waits for its answer. Cancelling this closes the connection.

        Raises InstanceLost when the connection ends first.
        """
        assert self._response is None
        assert self._transport is not None
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        self._response = Response(self._on_body)
        self._sink, self._stream = sink, None
        self._body = bytearray()
        self._transport.write(request)
        self._quick_ack()
        try:
            return await waiter
        except BaseException:
            # Once the answer is there the connection may serve another caller already.
            if waiter is self._waiter:
                self.abort()
            raise

    def abort(self) -> None:
        """Closes now. A prediction that runs over this connection is canceled by coglet."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            self.abort()
            return
        try:
            complete = response.feed(data)
        except ValueError as error:
            self._fail(InstanceLost(f"coglet sent something that is not HTTP: {error}"))
            return
        if not complete:
            self._quick_ack()
            return
        streamed = self._stream is not None
        if not streamed:
            self._resolve(Answer(response.status, bytes(self._body), False))
        elif self._waiter is not None and not self._waiter.done():
            self._fail(InstanceLost("the instance ended the stream before the prediction was complete"))
        self._response = self._waiter = None
        if response.rest or not response.keep_alive or (streamed and QUICK_ACK is None):
            self.abort()
        elif not self.closed:
            self._on_free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail(InstanceLost("the connection to the instance ended before its prediction was complete"))

    def _on_body(self, data: bytearray) -> None:
        if self._stream is None:
            response = self._response
            assert response is not None
            if self._sink is None or response.headers.get(b"content-type") != b"text/event-stream":
                self._body += data
                return
            self._stream = EventStream(self._on_event)
        self._stream.feed(data)

    def _on_event(self, name: bytes, data: bytes) -> None:
        assert self._sink is not None
        if self._waiter is None or self._waiter.done():
            return
        try:
            last = self._sink(name, data)
        except Exception as error:  # noqa: BLE001 - the caller's callback: its error is the caller's
            self._fail(error)
            return
        if last:
            self._resolve(Answer(200, b"", True))

    def _resolve(self, answer: Answer) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        if not self.closed:
            self.abort()

    def _quick_ack(self) -> None:
        if QUICK_ACK is not None and not self.closed:
            self._sock.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
