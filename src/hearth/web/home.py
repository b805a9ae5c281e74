"""The first page: what this is, and what there is to run."""

from __future__ import annotations

from hearth.web.http import Reply
from hearth.web.request import Request
from hearth.web.route import Route


async def home(request: Request) -> Reply:
    return request.page("home.html")


ROUTES = (Route(method="GET", path="/", handler=home),)
