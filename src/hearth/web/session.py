"""The cookie that stands for a session, and who sent a request."""

from __future__ import annotations

from hearth.domain.account import Account
from hearth.web.http import cookie
from hearth.web.request import Request

LIFE = 400 * 24 * 3600
"""Seconds for which browsers keep a cookie at most. The server decides when a session is over."""
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def name(request: Request) -> str:
    """Over https the browser itself sees to it that nobody else can set this cookie (`__Host-`)."""
    return "__Host-hearth" if request.secure else "hearth"


def read(request: Request) -> str | None:
    return request.cookies.get(name(request)) or None


async def begin(request: Request, account: Account, token: str | None = None) -> None:
    """Sign the browser in with a fresh cookie; the session that it had ends. `token`: what it signed in with."""
    sessions = request.services.sessions
    value = await sessions.start(account, _about(request), instead_of=read(request), token=token)
    request.reply_headers.append(cookie(name(request), value, max_age=LIFE, secure=request.secure))


async def end(request: Request) -> None:
    """Sign the browser out."""
    if there := read(request):
        await request.services.sessions.end(there)
    request.reply_headers.append(cookie(name(request), "", max_age=0, secure=request.secure))


def address(request: Request) -> str:
    """Where the request comes from, to slow guessing down. Behind a proxy: what the proxy next to us says."""
    if request.options.trust_proxy and (forwarded := request.header(b"x-forwarded-for")):
        return forwarded.rsplit(",", 1)[-1].strip()
    client = request.scope.get("client")
    return str(client[0]) if client else ""


def _about(request: Request) -> str:
    agent = request.header(b"user-agent") or ""
    browser = next((shown for part, shown in _BROWSERS if part in agent), "A browser")
    system = next((shown for part, shown in _SYSTEMS if part in agent), None)
    where = address(request)
    return f"{browser}{f' on {system}' if system else ''}{f', {where}' if where else ''}"
