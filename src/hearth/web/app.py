"""The pages as an ASGI application: match, see who it is, check the form's token, handle, send.

Plain ASGI as the API is. One place turns errors into pages, logs the unexpected once, and sets the headers that
keep a page ours: no inline script or style, no frames, no guessing of types.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import logging
import secrets
from contextlib import aclosing
from urllib.parse import quote

from hearth.errors import HearthError, NotFound, Unauthenticated
from hearth.web import confirm, csrf, errors, session
from hearth.web.http import Headers, Receive, Reply, Scope, Send, Stream, redirect
from hearth.web.paths import Found, Paths, reserved
from hearth.web.render import Renderer
from hearth.web.request import Disconnected, Request
from hearth.web.route import For, Route
from hearth.web.routes import ROUTES
from hearth.web.services import Options, Services

log = logging.getLogger("hearth.web")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob: https: http:; media-src 'self' data: blob: https: http:; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY: Headers = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(self), geolocation=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_PACK_FROM = 1024
"""Bytes of a page from which on it is compressed."""


class Web:
    def __init__(self, services: Services, options: Options) -> None:
        self._services = services
        self._options = options
        self._paths = Paths(ROUTES)
        self._renderer = Renderer()
        self._ids = map("{}{:x}".format, itertools.repeat(secrets.token_hex(4) + "-w"), itertools.count(1))
        self._streams: set[asyncio.Task[None]] = set()
        self._closing = False

    def wants(self, scope: Scope) -> bool:
        """Whether a request is for a page: a browser sent it, or what it asks for is there for programs, too."""
        method, path = scope["method"], scope["path"]
        if reserved(path):
            return False
        for name, value in scope["headers"]:
            if (name == b"accept" and b"text/html" in value) or name == b"hx-request":
                return True
        found = self._paths.match(method, path)
        return isinstance(found, Found) and found.route.programs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._paths.match(scope["method"], scope["path"])
        params = found.params if isinstance(found, Found) else {}
        request = Request(scope, receive, self._services, self._options, self._renderer, params)
        request.id = next(self._ids)
        try:
            answer = await self._answer(request, found)
            if isinstance(answer, Stream):
                await self._stream(send, answer, request)
            else:
                await _send(send, answer, request)
        except Disconnected:
            pass
        finally:
            request.close()

    def hang_up(self) -> None:
        """End every event stream now: the server stops."""
        self._closing = True
        for task in self._streams:
            task.cancel()

    async def _answer(self, request: Request, found: Found | list[str]) -> Reply | Stream:
        try:
            if cookie := session.read(request):
                request.account = await self._services.sessions.account(cookie)
            if not isinstance(found, Found):
                raise NotFound("The address leads nowhere.")
            return await self._handle(request, found.route)
        except Unauthenticated:
            there = f"/signin?next={quote(request.here if request.method in ('GET', 'HEAD') else '/', safe='')}"
            return Reply(b"", 401, b"", [(b"hx-redirect", there.encode())]) if request.htmx else redirect(there)
        except Disconnected:
            raise
        except HearthError as error:
            status, title = errors.problem(error)
            if status >= 500:
                log.warning("Page %s (%s) failed: %s", request.path, request.id, error.message)
            return _error(request, status, title, error.message, error.hint)
        except Exception:  # the boundary: whatever it is, the browser gets a page and the log has it once
            log.exception("Request %s (%s %s) failed unexpectedly.", request.id, request.method, request.path)
            status, title = errors.UNEXPECTED
            text = f"The server hit a problem that is not yours. Its log has it under {request.id}."
            return _error(request, status, title, text, None)

    async def _handle(self, request: Request, route: Route) -> Reply | Stream:
        request.max_form = route.max_form
        if route.whom is not For.ANYONE:
            account = request.signed_in
            if route.whom is For.ADMIN and not account.admin:
                raise NotFound
        if route.method != "GET":
            await csrf.check(request)
            if (asked := await confirm.question(request)) is not None:
                return asked
        return await route.handler(request)

    async def _stream(self, send: Send, answer: Stream, request: Request) -> None:
        """Send the chunks until they end, the browser is gone, or the server stops."""
        headers = [(b"content-type", answer.content_type), *SECURITY, *answer.headers, *request.reply_headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        task = asyncio.current_task()
        assert task is not None
        left = False

        def leave(watch: asyncio.Task[None]) -> None:
            nonlocal left
            if not watch.cancelled():
                left = True
                task.cancel()

        watch = asyncio.create_task(request.gone(), name=f"disconnect of {request.id}")
        watch.add_done_callback(leave)
        self._streams.add(task)
        try:
            async with aclosing(answer.chunks) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            if not (left or self._closing) or task.uncancel() > 0:
                raise
            if not left:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception:  # the boundary: too late for another status, so the connection is cut
            log.exception("Request %s broke off while streaming.", request.id)
        finally:
            watch.remove_done_callback(leave)
            watch.cancel()
            self._streams.discard(task)


def _error(request: Request, status: int, title: str, message: str, hint: str | None) -> Reply:
    """A page; for htmx the sentence alone, shown as a toast."""
    if request.htmx:
        return Reply(message.encode(), status, b"text/plain; charset=utf-8")
    return request.page("error.html", status=status, title=title, message=message, hint=hint, code=status)


async def _send(send: Send, reply: Reply, request: Request) -> None:
    body, headers = reply.body, [*SECURITY, *reply.headers, *request.reply_headers]
    if reply.content_type:
        headers.append((b"content-type", reply.content_type))
    if not any(name == b"cache-control" for name, _ in reply.headers):
        headers.append((b"cache-control", b"private, no-store"))
    packed = any(name == b"content-encoding" for name, _ in reply.headers)
    if not packed and len(body) > _PACK_FROM and "gzip" in (request.header(b"accept-encoding") or ""):
        body = gzip.compress(body, 5, mtime=0)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    headers += [(b"content-length", str(len(body)).encode()), (b"x-request-id", request.id.encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})
