"""Light, dark, or as the system has it: remembered in a cookie, so that pages arrive in the right one."""

from __future__ import annotations

from hearth.web.http import Reply, cookie, redirect
from hearth.web.request import THEME, Request
from hearth.web.route import Route

_YEAR = 365 * 24 * 3600


async def choose(request: Request) -> Reply:
    form = await request.form()
    chosen, back = form.get("theme"), form.get("next")
    value = chosen if chosen in ("light", "dark") else ""
    request.reply_headers.append(cookie(THEME, value, max_age=_YEAR if value else 0, secure=request.secure))
    if request.htmx:
        return Reply(b"", 204, b"")
    return redirect(back if local(back) else "/")


def local(address: str) -> bool:
    """Whether it is a path on this server, and not somebody else's address in disguise."""
    return address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()


ROUTES = (Route(method="POST", path="/theme", handler=choose),)
