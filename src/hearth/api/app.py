"""The API as an ASGI application: match, authenticate, decode, handle, encode, send.

Plain ASGI without a framework's request objects: this is the hot path of every prediction. One place
turns errors into answers, logs the unexpected once, and counts.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from hearth.api import cors, errors, once, throttle, wire
from hearth.api.auth import authenticate
from hearth.api.body import decode
from hearth.api.http import Disconnected, Headers, Receive, Reply, Request, Scope, Send, Stream
from hearth.api.matcher import Matcher
from hearth.api.openai import refusals
from hearth.api.route import Auth, Content, Route
from hearth.api.routes import ROUTES
from hearth.api.services import Options, Services
from hearth.errors import HearthError, NotFound

log = logging.getLogger("hearth.api")

_OPENAI = "/openai/"


class _Operation:
    """A route, with what can be prepared of it."""

    __slots__ = ("authenticated", "decoder", "lane", "once", "route")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.authenticated = route.auth in (Auth.TOKEN, Auth.ADMIN)
        self.lane = throttle.lane(route)
        self.once = route.operation_id in once.ANSWERED
        takes_json = route.body is not None and not isinstance(route.body, Content)
        self.decoder: msgspec.json.Decoder[Any] | None = msgspec.json.Decoder(route.body) if takes_json else None


class Pages(Protocol):
    """What people see with a browser, on the same address."""

    def wants(self, scope: Scope) -> bool:
        """Whether a request outside `/v1/` is for a page."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...
    def hang_up(self) -> None: ...


class Api:
    def __init__(self, services: Services, options: Options, pages: Pages | None = None) -> None:
        self._services = services
        self._options = options
        self._pages = pages
        self._matcher: Matcher[_Operation] = Matcher()
        for route in ROUTES:
            self._matcher.add(route.method, route.path, _Operation(route))
        self._events: set[asyncio.Task[None]] = set()
        self._closing = False
        self._request_ids = map("{}{:x}".format, itertools.repeat(secrets.token_hex(5) + "-"), itertools.count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def hang_up(self) -> None:
        """End every event stream now: the server stops. Readers come back with their Last-Event-ID."""
        self._closing = True
        for task in self._events:
            task.cancel()
        if self._pages is not None:
            self._pages.hang_up()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        method, path = scope["method"], scope["path"]
        if self._pages is not None and not path.startswith("/v1/") and self._pages.wants(scope):
            await self._pages(scope, receive, send)
            return
        match = self._matcher.match(method, path)
        request_id = next(self._request_ids)
        if match is None or isinstance(match, list):
            if method == "OPTIONS":
                reply = cors.preflight(scope["headers"], match)
            else:
                reply = errors.not_found() if match is None else errors.method_not_allowed(method, match)
                if path.startswith(_OPENAI):
                    reply = refusals.unmatched(reply)
            await _send(send, reply, request_id, [])
            self._answered(method, path, "unmatched", reply.status, began, request_id)
            return
        operation = match.found
        request = Request(scope, receive, self._services, self._options, match.path, match.params)
        request.id = request_id
        answer = await self._handle(operation, request)
        if isinstance(answer, Reply):
            await _send(send, answer, request_id, request.lasting_headers + request.reply_headers)
        else:
            await self._stream(send, answer, request)
        self._answered(method, path, operation.route.operation_id, answer.status, began, request_id)

    async def _handle(self, operation: _Operation, request: Request) -> Reply | Stream:
        route = operation.route
        try:
            if operation.authenticated:
                await authenticate(request)
                throttle.take(request, operation.lane)
                if route.auth is Auth.ADMIN and not request.account.admin:
                    raise NotFound
            if operation.decoder is None:
                result = await route.handler(request)
            else:
                data = await request.body(self._options.max_body)
                body = decode(operation.decoder, data, as_input=route.input_errors)
                if operation.once and (asked := once.of(request, body)) is not None:
                    return await once.answer(request, asked, lambda: self._made(route, request, body))
                result = await route.handler(request, body)
            return result if isinstance(result, Stream) else _reply(route, request, result)
        except HearthError as error:
            if errors.status_of(error) >= 500 and not route.openai:
                log.warning("Request %s (%s) failed: %s", request.id, route.operation_id, error.message)
            request.reply_headers.clear()
            return refusals.reply(error) if route.openai else errors.problem(error, creates=route.creates)
        except Exception:  # the boundary: whatever it is, the caller gets an answer and the log has it once
            log.exception("Request %s (%s) failed unexpectedly.", request.id, route.operation_id)
            request.reply_headers.clear()
            return (
                refusals.unexpected(request.id)
                if route.openai
                else errors.unexpected(request.id, creates=route.creates)
            )

    @staticmethod
    async def _made(route: Route, request: Request, body: Any) -> Reply:
        return _reply(route, request, await route.handler(request, body))

    async def _stream(self, send: Send, answer: Stream, request: Request) -> None:
        """Send the chunks until they end or the caller is gone."""
        headers = [(b"content-type", answer.content_type), (b"x-request-id", request.id.encode())]
        headers += cors.EVERY_ANSWER + request.lasting_headers + answer.headers
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        metrics, task = self._services.metrics, asyncio.current_task()
        assert task is not None
        left, sending = False, True

        def leave(watch: asyncio.Task[None]) -> None:
            nonlocal left
            if sending and not watch.cancelled():
                left = True
                task.cancel()

        watch = asyncio.create_task(request.gone(), name=f"disconnect of {request.id}")
        watch.add_done_callback(leave)
        metrics.streams.inc()
        endless = answer.content_type == Content.EVENTS.encode()
        if endless:
            self._events.add(task)
        try:
            async with aclosing(answer.chunks) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            if not (left or (self._closing and endless)) or task.uncancel() > 0:
                raise
            if not left:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Disconnected:
            pass
        except Exception:  # the boundary: too late for another status, so the connection is cut
            log.exception("Request %s broke off while streaming.", request.id)
        finally:
            sending = False
            self._events.discard(task)
            watch.cancel()
            metrics.streams.dec()

    def _answered(self, method: str, path: str, operation: str, status: int, began: float, request_id: str) -> None:
        seconds = time.perf_counter() - began
        self._services.metrics.answered(operation, status, seconds)
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "%s %s %d in %.1f ms",
                method,
                path,
                status,
                seconds * 1000,
                extra={"action": "answered", "operation": operation, "request": request_id, "status": status},
            )


def _reply(route: Route, request: Request, result: Any) -> Reply:
    if isinstance(result, Reply):
        return result
    if result is None:
        return Reply(route.status, b"", b"")
    return Reply(route.status, wire.encode(result, request.origin))


async def _send(send: Send, reply: Reply, request_id: str, extra: Headers) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", str(len(reply.body)).encode()),
        (b"x-request-id", request_id.encode()),
        *cors.EVERY_ANSWER,
        *reply.headers,
        *extra,
    ]
    if reply.status in (204, 304):
        del headers[:2]
    elif not reply.content_type:
        del headers[0]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing to do: parts are started and stopped by `compose.py`, around the server."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def create_app(services: Services, *, options: Options, pages: Pages | None = None) -> Api:
    return Api(services, options, pages)


__all__ = ["Api", "Options", "Services", "create_app"]
