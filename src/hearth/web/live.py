"""What goes on, as it happens: one stream of server-sent events for all predictions of a page.

Frames are fragments of the page, made by the same templates, so that scripts only put them where they belong:
`status`, `text` and `log` (what is new of them), `piece` (another output), `html` (the text so far, as Markdown),
and `done` (the whole panel as it stays). Each names its prediction and the event that it includes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from hearth.domain.events import TERMINAL, Event, Kind
from hearth.domain.prediction import Prediction
from hearth.domain.schema import OutputKind
from hearth.errors import HearthError
from hearth.web import outputs, panel
from hearth.web.http import Stream
from hearth.web.markdown import markdown
from hearth.web.request import Request
from hearth.web.route import Route
from hearth.web.versions import kind_of

log = logging.getLogger("hearth.web")

MAX_FOLLOWED = 64
TICK = 1.0
"""Seconds after which the reason that something waits is looked at again."""
MARKDOWN_TICK = 0.25
"""Seconds between two renderings of a text that grows."""
BEAT = 15.0
"""Seconds of silence until a comment keeps the connection open."""


async def follow(request: Request) -> Stream:
    """`?p={id}:{seq}`, several times: what happens to each after that event. `?md=1`: texts as Markdown, too."""
    asked: list[tuple[Prediction, int]] = []
    for text in request.all("p")[:MAX_FOLLOWED]:
        id, _, after = text.partition(":")
        found = await request.services.sharing.view(request.caller, id)
        asked.append((found, int(after) if after.lstrip("-").isdigit() and len(after) < 12 else -1))
    return Stream(_Follower(request, request.query.get("md") == "1").frames(asked))


class _Follower:
    def __init__(self, request: Request, as_markdown: bool) -> None:
        self._request = request
        self._markdown = as_markdown
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=256)
        self._waiting: dict[str, str] = {}
        """The status that was sent last, of those that go on."""
        self._texts: set[str] = set()
        """Whose text has grown since it was last rendered."""

    async def frames(self, asked: Sequence[tuple[Prediction, int]]) -> AsyncGenerator[bytes, None]:
        yield b": hi\n\n"
        tasks = [asyncio.create_task(self._follow(found, after), name=f"live {found.id}") for found, after in asked]
        left, loop = len(tasks), asyncio.get_running_loop()
        tick = MARKDOWN_TICK if self._markdown else TICK
        heard, look_at = loop.time(), loop.time() + tick
        try:
            while left:
                chunk: bytes | None = b""
                try:
                    chunk = await asyncio.wait_for(self._queue.get(), max(look_at - loop.time(), 0.0))
                except TimeoutError:
                    chunk, look_at = await self._look(), loop.time() + tick
                if chunk is None:
                    left -= 1
                elif chunk or loop.time() - heard >= BEAT:
                    heard = loop.time()
                    yield chunk or b": still here\n\n"
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    log.error("Request %s could not follow a prediction.", self._request.id, exc_info=ended)

    async def _follow(self, found: Prediction, after: int) -> None:
        kind = await kind_of(self._request, found)
        if self._markdown and kind.concatenate:
            self._texts.add(found.id)
        if not found.phase.terminal:
            self._waiting[found.id] = ""
        else:
            after = min(after, found.events - 2)  # the end is told again
        try:
            async with aclosing(self._request.services.streams.open(found.id, max(after, -1))) as batches:
                async for batch in batches:
                    if batch:
                        await self._queue.put(await self._frames(found.id, kind, batch))
        except HearthError:  # deleted, or its data is gone: the page says so when it is loaded again
            pass
        finally:
            self._waiting.pop(found.id, None)
            await self._queue.put(None)

    async def _frames(self, id: str, kind: OutputKind, batch: Sequence[Event]) -> bytes:
        seq, parts = batch[-1].seq, bytearray()
        if batch[-1].kind in TERMINAL:
            self._texts.discard(id)
            return await self._done(id, seq)
        said = "".join([event.data for event in batch if event.kind is Kind.LOG])
        items = [event.data for event in batch if event.kind is Kind.OUTPUT]
        if kind.concatenate and items:
            parts += _frame("text", id, seq, "".join(map(str, items)))
            self._texts.add(id)
        else:
            for item in items:
                html = self._request.text("parts/piece.html", piece=outputs.piece(item, kind))
                parts += _frame("piece", id, seq, html)
        if said:
            parts += _frame("log", id, seq, said)
        if said or any(event.kind not in (Kind.LOG, Kind.OUTPUT, Kind.METRIC) for event in batch):
            parts += await self._status(id)
        return bytes(parts)

    async def _done(self, id: str, seq: int) -> bytes:
        found = await self._request.services.sharing.view(self._request.caller, id)
        html = self._request.text("parts/panel.html", run=await panel.of(self._request, found))
        return _frame("done", id, seq, html)

    async def _look(self) -> bytes:
        """Nothing has been heard for a moment: say again why things wait, and render texts that have grown."""
        parts = bytearray()
        for id in list(self._waiting):
            parts += await self._status(id)
        if self._markdown:
            for id in list(self._texts):
                found = await self._request.services.streams.prediction(id)
                text = "".join(map(str, found.output or ()))
                parts += _frame("html", id, None, str(markdown(text)))
            self._texts.clear()
        return bytes(parts)

    async def _status(self, id: str) -> bytes:
        """Its frame, if it says something new."""
        found = await self._request.services.streams.prediction(id)
        if found.phase.terminal:
            return b""
        html = self._request.text("parts/status.html", status=panel.status(self._request, found))
        if self._waiting.get(id) == html:
            return b""
        self._waiting[id] = html
        return _frame("status", id, None, html)


def _frame(event: str, id: str, seq: int | None, value: Any) -> bytes:
    data = msgspec.json.encode({"p": id, "seq": seq, "v": value})
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)


ROUTES = (Route(method="GET", path="/live", handler=follow, programs=True),)
