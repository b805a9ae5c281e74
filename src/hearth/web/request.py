"""One request of a browser: who sent it, from which page, and with what form."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote

from hearth.domain.account import Account
from hearth.domain.limits import Lane
from hearth.errors import HearthError, Throttled, Unauthenticated
from hearth.web import forms
from hearth.web.http import TOAST, Headers, Receive, Reply, Scope

if TYPE_CHECKING:
    from hearth.web.render import Renderer
    from hearth.web.services import Options, Services

VISITOR = Account(id="", username="", created_at=0.0)
"""Stands for whoever is not signed in: sees what is public, owns nothing."""
THEME = "hearth_theme"
_HOST = re.compile(r"^[A-Za-z0-9._:\[\]-]{1,255}$")


class Disconnected(HearthError):
    """The browser hung up before its request was complete."""

    code: ClassVar[str] = "disconnected"


class Request:
    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        services: Services,
        options: Options,
        renderer: Renderer,
        params: dict[str, str],
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.services = services
        self.options = options
        self.params = params
        self.account: Account | None = None
        """Who is signed in."""
        self.csrf = ""
        """The token that forms of this page send back."""
        self.id = ""
        self.reply_headers: Headers = []
        """For the answer, whatever it is."""
        self.max_form = 0
        self._headers: Headers = scope["headers"]
        self._receive = receive
        self._renderer = renderer
        self._form: forms.Form | None = None
        pairs = parse_qsl(scope.get("query_string", b"").decode("utf-8", "replace"), keep_blank_values=True)
        self.pairs = pairs
        """The query, in order."""
        self.query = dict(reversed(pairs))
        """The first value of each parameter."""
        self.cookies = _cookies(self.header(b"cookie"))

    def header(self, name: bytes) -> str | None:
        """The first header of this lowercase name."""
        return next((value.decode("latin-1") for key, value in self._headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every value of a query parameter."""
        return [value for key, value in self.pairs if key == name]

    @property
    def caller(self) -> Account:
        """Whom services are asked for: the account, or a visitor who sees what is public."""
        return self.account or VISITOR

    @property
    def signed_in(self) -> Account:
        """The account. Raises Unauthenticated."""
        if self.account is None:
            raise Unauthenticated
        return self.account

    @property
    def htmx(self) -> bool:
        """A part of the page is asked for, by a script of ours."""
        return self.header(b"hx-request") == "true"

    @property
    def theme(self) -> str:
        """`light`, `dark`, or empty: as the system has it."""
        chosen = self.cookies.get(THEME, "")
        return chosen if chosen in ("light", "dark") else ""

    @property
    def here(self) -> str:
        """This page's address, to come back to."""
        query = self.scope.get("query_string", b"").decode("latin-1")
        return quote(self.path) + (f"?{query}" if query else "")

    @property
    def origin(self) -> str:
        """Scheme and host as the browser knows this server."""
        if self.options.public_url:
            return self.options.public_url
        scheme = str(self.scope.get("scheme", "http"))
        host = self.header(b"host")
        if self.options.trust_proxy:
            forwarded = (self.header(b"x-forwarded-proto") or "").split(",", 1)[0].strip().lower()
            scheme = forwarded if forwarded in ("http", "https") else scheme
            host = (self.header(b"x-forwarded-host") or "").split(",", 1)[0].strip() or host
        if host is None or not _HOST.match(host):
            name, port = self.scope.get("server") or ("localhost", None)
            name = f"[{name}]" if ":" in name else name
            host = f"{name}:{port}" if port else name
        return f"{scheme}://{host}"

    @property
    def secure(self) -> bool:
        """Cookies may be kept to https."""
        return self.origin.startswith("https:")

    def charge(self, lane: Lane, count: int = 1) -> None:
        """What is asked for counts as `count` calls of the API. Raises Throttled."""
        verdict = self.services.limits.take(self.signed_in, lane, count)
        if verdict is None or verdict.allowed:
            return
        raise Throttled(verdict.reset, _sentence(verdict.remaining, verdict.reset, lane, count))

    async def form(self) -> forms.Form:
        """What was posted. Raises TooLarge, InvalidRequest."""
        if self._form is None:
            self._form = await forms.read(self.header(b"content-type"), self._chunks(), self.max_form)
        return self._form

    def close(self) -> None:
        if self._form is not None:
            self._form.close()

    def page(self, template: str, /, *, status: int = 200, **values: Any) -> Reply:
        """A whole page. A toast that waited for one is shown on it."""
        toast = self.cookies.get(TOAST)
        headers: Headers = []
        if toast:
            headers.append((b"set-cookie", f"{TOAST}=; Path=/; Max-Age=0".encode()))
        body = self._renderer.render(template, self, toast=unquote(toast) if toast else None, **values)
        return Reply(body, status, headers=headers)

    def part(self, template: str, /, *, status: int = 200, headers: Headers | None = None, **values: Any) -> Reply:
        """A fragment, for htmx."""
        return Reply(self._renderer.render(template, self, **values), status, headers=headers or [])

    def text(self, template: str, /, **values: Any) -> str:
        """A fragment as text, for a stream."""
        return self._renderer.render(template, self, **values).decode()

    async def gone(self) -> None:
        """Returns when the browser has hung up."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk: bytes = message.get("body", b"")
            if chunk:
                yield chunk
            if not message.get("more_body", False):
                return


def _sentence(left: int, reset: int, lane: Lane, count: int) -> str:
    """For people: what is used up, and when to try again."""
    what = "predictions" if lane is Lane.CREATES else "calls"
    wanted = f", and this would make {count}" if count > 1 else ""
    return f"Your account may make {left or 'no'} more {what} in this minute{wanted}. Try again in {reset} s."


def _cookies(header: str | None) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    for part in (header or "").split(";"):
        try:
            jar.load(part.strip())
        except CookieError:  # somebody else's, on the same host
            continue
    return {name: morsel.value for name, morsel in jar.items()}
