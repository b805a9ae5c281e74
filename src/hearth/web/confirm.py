"""Asking before what cannot be undone, where no script does: a form that has `ask` comes back as a question."""

from __future__ import annotations

from urllib.parse import urlsplit

from hearth.web import csrf
from hearth.web.http import Reply
from hearth.web.request import Request

FIELD = "ask"


async def question(request: Request) -> Reply | None:
    """The page that asks, with the form's other fields in it; None if nothing is to be asked. Scripts ask by
    themselves, and leave the field out (static/confirm.js)."""
    if request.htmx or request.header(csrf.HEADER) is not None:
        return None
    form = await request.form()
    if not form.has(FIELD):
        return None
    fields = [(name, value) for name, values in form.fields.items() if name != FIELD for value in values]
    return request.page("confirm.html", question=form.get(FIELD), fields=fields, back=_back(request))


def _back(request: Request) -> str:
    """The page that the form was on, if the browser says so."""
    came = urlsplit(request.header(b"referer") or "")
    if came.netloc != urlsplit(request.origin).netloc or not came.path.startswith("/") or came.path.startswith("//"):
        return "/"
    return came.path + (f"?{came.query}" if came.query else "")
