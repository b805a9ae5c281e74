"""A receiver for webhooks on a free local port, which can be told to refuse, fail or hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any

import msgspec
from aiohttp import web


class Caught(msgspec.Struct, frozen=True, kw_only=True):
    """One request that came in."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class WebhookCatcher:
    """`async with WebhookCatcher() as catcher:` then `catcher.url`, and `await catcher.wait(2)`."""

    def __init__(self, answer: Callable[[Caught], int] = lambda caught: 200) -> None:
        self.answer = answer
        """The status for a request; may be replaced at any time."""
        self.caught: list[Caught] = []
        self.url = ""
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> WebhookCatcher:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._catch)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _catch(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        caught = Caught(path=request.path_qs, headers=headers, body=await request.read())
        async with self._news:
            self.caught.append(caught)
            self._news.notify_all()
        return web.Response(status=self.answer(caught))

    async def wait(self, count: int, timeout: float = 10.0) -> list[Caught]:
        """The requests so far, once there are `count` of them. Raises TimeoutError."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: len(self.caught) >= count)
        return list(self.caught)
