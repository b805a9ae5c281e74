"""Finding models: explore, search as one types, collections, and whose models there are."""

from __future__ import annotations

from typing import NamedTuple

from hearth.domain.catalog import ModelOrder
from hearth.domain.model import Model, cover
from hearth.service.models import Shown
from hearth.web import outputs, paging
from hearth.web.http import Reply
from hearth.web.outputs import Piece
from hearth.web.request import Request
from hearth.web.route import Route
from hearth.web.versions import UNKNOWN, interface

SUGGESTED = 6
_ORDERS = {"new": ModelOrder.CREATED, "updated": ModelOrder.PUSHED}


class Card(NamedTuple):
    """A model as lists show it."""

    model: Model
    cover: str | None
    words: str
    """What its example said, if it has no picture."""
    sound: bool
    """Its example is something to hear."""


def card(shown: Shown) -> Card:
    model, latest, example = shown
    picture = cover(model, example)
    kind = interface(latest).input.output_kind if latest is not None else UNKNOWN
    made: list[Piece] = outputs.pieces(example.output, kind) if example is not None and picture is None else []
    words = next((outputs.opening(str(piece.value)) for piece in made if piece.kind in ("text", "value")), "")
    return Card(model, picture, words, any(piece.kind == "audio" for piece in made))


async def cards(request: Request, models: list[Model]) -> list[Card]:
    return [card(shown) for shown in await request.services.models.embed(models)]


async def explore(request: Request) -> Reply:
    order = request.query.get("sort", "updated")
    by = _ORDERS.get(order, ModelOrder.PUSHED)
    page = await request.services.models.page(paging.cursor(request), by=by, limit=24)
    first = "cursor" not in request.query
    collections = (await request.services.collections.page(limit=12)).items if first else []
    return request.page(
        "explore.html",
        cards=await cards(request, page.items),
        pages=paging.links(request, page),
        order=order if order in _ORDERS else "updated",
        collections=collections,
    )


async def search(request: Request) -> Reply:
    query = request.query.get("query", "").strip()
    found = await request.services.search.everything(request.caller, query, limit=48) if query else None
    return request.page(
        "search.html",
        query=query,
        cards=[card(shown) for shown, _ in found.models] if found else [],
        collections=found.collections if found else [],
        docs=found.pages if found else [],
    )


async def suggest(request: Request) -> Reply:
    """What the header's box shows while somebody types."""
    query = request.query.get("query", "").strip()
    found = await request.services.search.everything(request.caller, query, limit=SUGGESTED) if query else None
    return request.part(
        "parts/suggestions.html",
        query=query,
        cards=[card(shown) for shown, _ in found.models] if found else [],
        collections=found.collections[:3] if found else [],
        docs=found.pages[:3] if found else [],
    )


async def collections(request: Request) -> Reply:
    page = await request.services.collections.page(paging.cursor(request), limit=60)
    return request.page("collections.html", collections=page.items, pages=paging.links(request, page))


async def collection(request: Request) -> Reply:
    found, members = await request.services.collections.get(request.caller, request.params["slug"])
    return request.page("collection.html", collection=found, cards=[card(shown) for shown in members])


async def profile(request: Request) -> Reply:
    owner, page = await request.services.models.of_owner(
        request.caller, request.params["owner"], paging.cursor(request), limit=24
    )
    return request.page(
        "profile.html",
        owner=owner,
        mine=request.account is not None and request.account.id == owner.id,
        cards=await cards(request, list(page.items)),
        pages=paging.links(request, page),
    )


ROUTES = (
    Route(method="GET", path="/explore", handler=explore),
    Route(method="GET", path="/search", handler=search),
    Route(method="GET", path="/search/suggest", handler=suggest),
    Route(method="GET", path="/collections", handler=collections),
    Route(method="GET", path="/collections/{slug}", handler=collection),
    Route(method="GET", path="/{owner}", handler=profile),
)
