"""A web server of our own on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """Answers each path with the handler or the response given for it, and remembers what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.port = 0
        self.seen: list[web.Request] = []
        self.bodies: list[bytes] = []
        self._handlers: dict[str, Handler] = {}

    def on(self, path: str, handler: Handler) -> str:
        self._handlers[path] = handler
        return self.url + path

    def says(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

        return self.on(path, answer)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if request.method == "POST":
            self.bodies.append(await request.read())
        handler = self._handlers.get(request.path)
        return await handler(request) if handler else web.Response(status=404)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    here = Site()
    runner = web.ServerRunner(web.Server(here.handle), shutdown_timeout=0.1)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    here.port = runner.addresses[0][1]
    here.url = f"http://127.0.0.1:{here.port}"
    try:
        yield here
    finally:
        await runner.cleanup()
