"""The first page: for visitors what this is, for who is signed in where they left off."""

from __future__ import annotations

from hearth.web import explore, panel
from hearth.web.http import Reply
from hearth.web.request import Request
from hearth.web.route import Route


async def home(request: Request) -> Reply:
    models = request.services.models
    newest = await models.page(limit=6)
    own = list((await models.mine(request.account, limit=4)).items) if request.account else []
    runs = (await request.services.predictions.page(request.account, limit=6)).items if request.account else []
    return request.page(
        "home.html",
        cards=await explore.cards(request, newest.items),
        own=await explore.cards(request, own),
        runs=[(await panel.summary(request, run), panel.status(request, run)) for run in runs],
    )


ROUTES = (Route(method="GET", path="/", handler=home),)
