"""Collections, as admins keep them: made, described, filled, deleted."""

from __future__ import annotations

from typing import Any

from hearth.errors import Conflict, HearthError, InvalidRequest
from hearth.web import errors, paging
from hearth.web.http import Reply, redirect
from hearth.web.request import Request
from hearth.web.route import For, Route

HOME = "/admin/collections"
_FIELDS = ("name", "description", "full_description")


async def index(request: Request) -> Reply:
    return await _index(request, {}, {})


async def _index(request: Request, values: dict[str, str], wrong: dict[str, str], status: int = 200) -> Reply:
    found = await request.services.collections.page(paging.cursor(request))
    return request.page(
        "collections/index.html",
        collections=found.items,
        pages=paging.links(request, found),
        values=values,
        errors=wrong,
        status=status,
    )


async def create(request: Request) -> Reply:
    form = await request.form()
    values = {name: form.get(name) for name in ("slug", *_FIELDS)}
    try:
        made = await request.services.collections.create(
            values["slug"], name=values["name"], description=values["description"], full_description=None
        )
    except (InvalidRequest, Conflict) as error:
        wrong = {"slug": error.message} if isinstance(error, Conflict) else errors.by_field(error)
        return await _index(request, values, wrong, errors.problem(error).status)
    return redirect(f"{HOME}/{made.slug}", toast="The collection is there. Put models into it.")


async def show(request: Request) -> Reply:
    return await _show(request, {}, {})


async def _show(request: Request, values: dict[str, str], wrong: dict[str, str], status: int = 200) -> Reply:
    collection, members = await request.services.collections.get(request.signed_in, request.params["slug"])
    known = {name: getattr(collection, name) or "" for name in _FIELDS}
    return request.page(
        "collections/edit.html",
        collection=collection,
        models=[shown.model for shown in members],
        values={**known, **values},
        errors=wrong,
        status=status,
    )


async def update(request: Request) -> Reply:
    form = await request.form()
    values = {"name": form.get("name"), "description": form.get("description")}
    values["full_description"] = form.text("full_description") or ""
    fields: dict[str, Any] = {**values, "full_description": values["full_description"] or None}
    try:
        await request.services.collections.update(request.params["slug"], fields)
    except InvalidRequest as error:
        return await _show(request, values, errors.by_field(error), 400)
    return redirect(_path(request), toast="Saved.")


async def add(request: Request) -> Reply:
    named = (await request.form()).get("model").lower()
    try:
        await request.services.collections.add(request.params["slug"], named)
    except HearthError as error:
        found = errors.by_field(error)
        wrong = {"model": found.get("model") or error.message}
        return await _show(request, {"model": named}, wrong, errors.problem(error).status)
    return redirect(_path(request), toast=f"{named} is in it.")


async def remove(request: Request) -> Reply:
    owner, _, name = (await request.form()).get("model").partition("/")
    await request.services.collections.remove(request.params["slug"], owner, name)
    return redirect(_path(request), toast=f"{owner}/{name} is out of it.")


async def delete(request: Request) -> Reply:
    await request.services.collections.delete(request.params["slug"])
    return redirect(HOME, toast="The collection is deleted. Its models stay.")


def _path(request: Request) -> str:
    return f"{HOME}/{request.params['slug']}"


def _route(method: str, path: str, handler: Any) -> Route:
    return Route(method=method, path=f"{HOME}{path}", handler=handler, whom=For.ADMIN)


ROUTES = (
    _route("GET", "", index),
    _route("POST", "", create),
    _route("GET", "/{slug}", show),
    _route("POST", "/{slug}", update),
    _route("POST", "/{slug}/models", add),
    _route("POST", "/{slug}/models/remove", remove),
    _route("POST", "/{slug}/delete", delete),
)
