"""A request and the answers a handler may give, over bare ASGI.

Handlers return a wire record (encoded with the route's status), a `Reply` (bytes as they are), a `Stream`
(bytes as they come) or None (no body).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

import msgspec

from hearth.errors import HearthError, TooLarge, Unauthenticated

if TYPE_CHECKING:
    from hearth.api.services import Options, Services
    from hearth.domain.account import Account

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
PROBLEM = b"application/problem+json"
_HOST = re.compile(r"^[A-Za-z0-9._:\[\]-]{1,255}$")


class Disconnected(HearthError):
    """The caller hung up before its request was complete."""

    code: ClassVar[str] = "disconnected"


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. `headers` are added to the ones every answer has."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: Headers = []


class Stream(msgspec.Struct, frozen=True):
    """An answer whose bytes come one by one. Each chunk is one ASGI message, sent at once."""

    chunks: AsyncGenerator[bytes, None]
    content_type: bytes
    status: int = 200
    headers: Headers = []


class Request:
    """One request, its route's path parameters, and who sent it."""

    __slots__ = (
        "_account",
        "_origin",
        "_query",
        "_receive",
        "headers",
        "id",
        "lasting_headers",
        "method",
        "options",
        "params",
        "path",
        "reply_headers",
        "scope",
        "services",
    )

    def __init__(
        self, scope: Scope, receive: Receive, services: Services, options: Options, path: str, params: dict[str, str]
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers: Headers = scope["headers"]
        self.services = services
        self.options = options
        self.path = path
        """As in the table, with `/v1` in front."""
        self.params = params
        self.reply_headers: Headers = []
        """For the answer if all goes well."""
        self.lasting_headers: Headers = []
        """For the answer whatever it is."""
        self.id = ""
        self._receive = receive
        self._account: Account | None = None
        self._origin: str | None = None
        self._query: dict[str, str] | None = None

    @property
    def account(self) -> Account:
        """The caller. Only routes that ask for a token have one."""
        if self._account is None:
            raise Unauthenticated
        return self._account

    @account.setter
    def account(self, account: Account) -> None:
        self._account = account

    @property
    def origin(self) -> str:
        """Scheme and host as the caller knows this server; every URL in an answer begins with it."""
        if self._origin is None:
            self._origin = origin_of(self.scope, self.headers, self.options)
        return self._origin

    @property
    def query(self) -> dict[str, str]:
        if self._query is None:
            text = self.scope.get("query_string", b"").decode("utf-8", "replace")
            self._query = dict(parse_qsl(text, keep_blank_values=True))
        return self._query

    def header(self, name: bytes) -> str | None:
        """The first header of this lowercase name."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises TooLarge beyond `limit` bytes, without reading on; at once where the header says so,
        for a caller that expects `100 Continue` sends nothing before."""
        length = self.header(b"content-length")
        if length is not None and length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            whole: bytes = message.get("body", b"")
            if len(whole) > limit:
                raise _too_large(limit)
            return whole
        parts = bytearray()
        while True:
            if message["type"] == "http.disconnect":
                raise Disconnected
            parts += message.get("body", b"")
            if len(parts) > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                return bytes(parts)
            message = await self._receive()

    async def chunks(self, limit: int | None = None) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises TooLarge beyond `limit` bytes, Disconnected if it breaks off."""
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if limit is not None and size > limit:
                raise _too_large(limit)
            if chunk:
                yield chunk
            if not message.get("more_body", False):
                return

    async def gone(self) -> None:
        """Returns when the caller has hung up."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def origin_of(scope: Scope, headers: Headers, options: Options) -> str:
    """`public_url` if set; else what the Host header says, or forwarded headers where a proxy is trusted."""
    if options.public_url:
        return options.public_url
    scheme: str = scope.get("scheme", "http")
    host = forwarded_host = forwarded_scheme = None
    for key, value in headers:
        if key == b"host":
            host = value.decode("latin-1")
        elif key == b"x-forwarded-host":
            forwarded_host = value.decode("latin-1").split(",", 1)[0].strip()
        elif key == b"x-forwarded-proto":
            forwarded_scheme = value.decode("latin-1").split(",", 1)[0].strip().lower()
    if options.trust_proxy:
        if forwarded_scheme in ("http", "https"):
            scheme = forwarded_scheme
        host = forwarded_host or host
    if host is None or not _HOST.match(host):
        name, port = scope.get("server") or ("localhost", None)
        name = f"[{name}]" if ":" in name else name
        host = f"{name}:{port}" if port else name
    return f"{scheme}://{host}"


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"Request bodies must be at most {limit // (1024 * 1024)} MB in size.",
        hint="Upload large files with POST /v1/files and pass their URLs.",
    )
