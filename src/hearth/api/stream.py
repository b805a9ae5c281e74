"""Server-sent events, as the official clients parse them: client-contract.md section 8.

Only `\\n` ends lines; every event has `event`, `id` and at least one `data` line; the id is
`<created_at in seconds>:<number>`. Numbers are the events' seq; what the end of a prediction turns into (the
whole output of a model that does not iterate, an error, `done`) is numbered on from there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from hearth.api import wire
from hearth.api.http import Request, Stream
from hearth.api.route import Auth, Content, Parameter, Route
from hearth.api.shapes import Shape, StreamKind
from hearth.domain.events import TERMINAL, Event, Kind
from hearth.domain.prediction import Place, Prediction
from hearth.errors import NotFound

HELLO = b": hi\n\n"
HEARTBEAT = b": waiting\n\n"
"""Clients give up after 30 s without a byte."""
IDLE = 30.0
"""Seconds until a stream without data is given up."""
PIECE = 64 * 1024
"""Bytes from which on a reader is sent what has been made for it so far."""
TIMED_OUT = b":408: 408 Request Timeout\n\n"
_LINE_END = re.compile(r"\r\n|\r|\n")
_HEADERS = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
_REASONED = frozenset({Kind.ASSIGNED, Kind.BOOTING, Kind.STARTED, Kind.RETURNED, Kind.CANCEL_REQUESTED})


def frame(event: str, id: str, data: str) -> bytes:
    """One event. Line ends in `data`, also `\\r`, start another `data` line: parsers join them with `\\n`."""
    if "\n" in data or "\r" in data:
        data = "\ndata: ".join(_LINE_END.split(data))
    return f"event: {event}\nid: {id}\ndata: {data}\n\n".encode()


def pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts, joined to pieces of some size, each made when it is asked for: a reader who is far behind, or does not
    read at all, must not have all of it in memory."""
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        gathered.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)


def comment(text: str) -> bytes:
    return f": {' '.join(text.split())}\n\n".encode()


def answer(chunks: AsyncGenerator[bytes, None]) -> Stream:
    return Stream(chunks, b"text/event-stream", 200, _HEADERS)


async def stream(request: Request) -> Stream:
    """The stream behind a token: text and JSON under /streams, file URLs under /files."""
    return await by_token(request, request.params["token"])


async def by_token(request: Request, token: str) -> Stream:
    """Raises NotFound for a token that is not ours. Where the data has been removed, nothing comes any more."""
    id_ = request.services.streams.prediction_id(token)
    if id_ is None:
        raise NotFound("This stream does not exist.")
    prediction = await request.services.streams.prediction(id_)
    if prediction.data_removed:
        return answer(_nothing())
    shape = await request.services.wire.shapes.of(prediction.version)
    logs = request.query.get("logs") in ("true", "1")
    return answer(_Reader(request, prediction, shape, logs).chunks())


async def _nothing() -> AsyncGenerator[bytes, None]:
    """What Replicate sends where there is nothing to send: silence, then a comment (replicate-platform.md 11).

    The wait keeps clients that connect again at once from doing so all the time.
    """
    yield HELLO
    await asyncio.sleep(IDLE / 2)
    yield HEARTBEAT
    await asyncio.sleep(IDLE / 2)
    yield TIMED_OUT


class _Reader:
    """One connection: turns batches of events into bytes, one chunk per batch."""

    def __init__(self, request: Request, prediction: Prediction, shape: Shape, logs: bool) -> None:
        self._streams = request.services.streams
        self._origin = request.origin
        self._prediction = prediction
        self._shape = shape
        self._logs = logs
        self._epoch = int(prediction.created_at)
        self._seen = last_number(request.header(b"last-event-id"))
        self._iterated = shape.iterator

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield HELLO
        after = self._seen
        if self._prediction.phase.terminal:
            after = min(after, self._prediction.events - 2)  # always send the end again
        async with aclosing(self._streams.open(self._prediction.id, max(after, -1), places=True)) as batches:
            async for batch in batches:
                if batch is None:
                    yield HEARTBEAT
                    continue
                if isinstance(batch, Place):
                    yield comment(batch.because)
                    continue
                chunk = b""
                for piece in pieces(self._one(event) for event in batch):
                    if chunk:
                        yield chunk
                    chunk = piece
                if batch and batch[-1].kind in TERMINAL:
                    yield chunk + await self._end(batch[-1])
                    return
                if chunk:
                    yield chunk

    def _one(self, event: Event) -> bytes:
        if event.kind is Kind.OUTPUT:
            self._iterated = True
            return self._frame("output", event.seq, wire.datum(event.data, self._origin))
        if not self._logs:
            return b""
        if event.kind is Kind.LOG:
            return self._frame("logs", event.seq, event.data)
        if event.kind in _REASONED:
            return comment(f"{event.kind.value} {(event.data or {}).get('because', '')}")
        return b""

    async def _end(self, event: Event) -> bytes:
        """The whole output if there were no items, an error, and always `done`."""
        frames: list[tuple[str, str]] = []
        done: dict[str, Any] = {}
        if event.kind is Kind.SUCCEEDED:
            if not self._iterated:
                final = await self._streams.prediction(self._prediction.id)
                frames = [("output", wire.datum(item, self._origin)) for item in _items(final.output, self._shape)]
        elif event.kind is Kind.FAILED:
            detail = (event.data or {}).get("error") or "The prediction failed."
            frames = [("error", msgspec.json.encode({"detail": detail}).decode())]
            done = {"reason": "error"}
        else:
            done = {"reason": "canceled"}
        parts = [
            self._frame(name, event.seq + n, data)
            for n, (name, data) in enumerate(frames)
            # A reader may have seen numbers that a killed server did not keep: an error is told all the same.
            if event.seq + n > self._seen or name == "error"
        ]
        parts.append(self._frame("done", event.seq + len(frames), msgspec.json.encode(done).decode()))
        return b"".join(parts)

    def _frame(self, name: str, number: int, data: str) -> bytes:
        return frame(name, f"{self._epoch}:{number}", data)


def _items(output: Any, shape: Shape) -> Sequence[Any]:
    if output is None:
        return ()
    if shape.stream is StreamKind.FILES and isinstance(output, list):
        return output
    return (output,)


def last_number(header: str | None) -> int:
    """The number in a Last-Event-ID; -1, the beginning, for none and for anything else."""
    _, colon, number = (header or "").strip().rpartition(":")
    return int(number) if colon and number.isascii() and number.isdigit() and len(number) < 16 else -1


async def follow(request: Request, prediction: Prediction) -> AsyncGenerator[bytes, None]:
    """All events of a prediction as they are, named by kind, with the event as JSON; ends after the last.

    While it waits in line, `queue` events tell where it stands: they are no part of its history and have no id.
    """
    yield HELLO
    epoch, origin = int(prediction.created_at), request.origin
    after = last_number(request.header(b"last-event-id"))
    if prediction.phase.terminal:
        after = min(after, prediction.events - 2)
    async with aclosing(request.services.streams.open(prediction.id, max(after, -1), places=True)) as batches:
        async for batch in batches:
            if batch is None:
                yield HEARTBEAT
            elif isinstance(batch, Place):
                yield b"event: queue\ndata: " + wire.encode(wire.queue(batch), origin) + b"\n\n"
            else:
                for piece in pieces(
                    frame(e.kind.value, f"{epoch}:{e.seq}", wire.encode(wire.event(e), origin).decode()) for e in batch
                ):
                    yield piece


ROUTES = (
    Route(
        method="GET",
        path="/streams/{token}",
        operation_id="streams.get",
        summary="Stream a prediction's output as server-sent events",
        handler=stream,
        reply=Content.EVENTS,
        auth=Auth.LINK,
        errors=(NotFound,),
        parameters=(
            Parameter("logs", "`true`: send `logs` events too."),
            Parameter("Last-Event-ID", "Go on after this event.", "header"),
        ),
        ours=True,
    ),
)
