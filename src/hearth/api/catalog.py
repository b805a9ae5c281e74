"""Search, and collections: read by all, changed by admins."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from hearth import errors
from hearth.api import paging, shown
from hearth.api.bodies import PageBody
from hearth.api.http import Request
from hearth.api.route import CURSOR, FIELDS, NOT_FOUND, Auth, Content, Parameter, Route
from hearth.api.shown import CollectionBody, CollectionDetail, SearchBody
from hearth.errors import InvalidRequest, Pointer

MOST = 50


class CreateCollection(msgspec.Struct, frozen=True, kw_only=True):
    slug: str
    name: str
    description: str = ""
    full_description: str | None = None
    """Markdown."""


class UpdateCollection(msgspec.Struct, frozen=True, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    full_description: str | UnsetType | None = UNSET


class AddModel(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    """`owner/name`."""


async def search(request: Request) -> SearchBody:
    """The query is a parameter, or, with the method QUERY, the body."""
    query = request.query.get("query", "").strip()
    if not query and request.method == "QUERY":
        query = (await request.body(64 * 1024)).decode("utf-8", "replace").strip()
    if not query:
        raise InvalidRequest('Query parameter "query" is required')
    text = request.query.get("limit") or "20"
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MOST):
        raise InvalidRequest(errors=(Pointer("/limit", f"limit: must be a number from 1 to {MOST}"),))
    results = await request.services.search.everything(request.account, query, limit=int(text[:4]))
    return await shown.found(request, query, results)


async def index(request: Request) -> PageBody[CollectionBody]:
    found = await request.services.collections.page(paging.cursor(request))
    return paging.page(request, found, [shown.collection(c) for c in found.items])


async def get(request: Request) -> CollectionDetail:
    return await _detail(request, request.params["slug"])


async def create(request: Request, body: CreateCollection) -> CollectionDetail:
    await request.services.collections.create(
        body.slug, name=body.name, description=body.description, full_description=body.full_description
    )
    return await _detail(request, body.slug)


async def update(request: Request, body: UpdateCollection) -> CollectionDetail:
    slug = request.params["slug"]
    fields = {name: text for name, text in msgspec.structs.asdict(body).items() if text is not UNSET}
    await request.services.collections.update(slug, fields)
    return await _detail(request, slug)


async def delete(request: Request) -> None:
    await request.services.collections.delete(request.params["slug"])


async def add(request: Request, body: AddModel) -> CollectionDetail:
    slug = request.params["slug"]
    await request.services.collections.add(slug, body.model)
    return await _detail(request, slug)


async def remove(request: Request) -> None:
    params = request.params
    await request.services.collections.remove(params["slug"], params["owner"], params["name"])


async def _detail(request: Request, slug: str) -> CollectionDetail:
    return await shown.detail(request, *await request.services.collections.get(request.account, slug))


_SEARCH = (
    Parameter("query", "What to look for.", required=True),
    Parameter("limit", f"Models at most, 1 to {MOST}; 20 if it is not there."),
)

ROUTES = (
    Route(
        method="GET",
        path="/search",
        operation_id="search",
        summary="Search models, collections and documentation",
        handler=search,
        reply=SearchBody,
        errors=(errors.InvalidRequest, errors.SearchFailed),
        parameters=_SEARCH,
    ),
    Route(
        method="QUERY",
        path="/search",
        operation_id="search.query",
        summary="Search models, collections and documentation; the body is what to look for",
        handler=search,
        body=Content.TEXT,
        reply=SearchBody,
        errors=(errors.InvalidRequest, errors.SearchFailed),
        parameters=_SEARCH[1:],
        ours=True,
    ),
    Route(
        method="GET",
        path="/collections",
        operation_id="collections.list",
        summary="List collections of models, newest first",
        handler=index,
        reply=PageBody[CollectionBody],
        errors=FIELDS,
        parameters=(CURSOR,),
    ),
    Route(
        method="GET",
        path="/collections/{slug}",
        operation_id="collections.get",
        summary="Get a collection with its models",
        handler=get,
        reply=CollectionDetail,
        errors=NOT_FOUND,
    ),
    Route(
        method="POST",
        path="/admin/collections",
        operation_id="admin.collections.create",
        summary="Make a collection",
        handler=create,
        body=CreateCollection,
        reply=CollectionDetail,
        status=201,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest, errors.Conflict),
        creates=True,
        ours=True,
    ),
    Route(
        method="PATCH",
        path="/admin/collections/{slug}",
        operation_id="admin.collections.update",
        summary="Change a collection's name and descriptions",
        handler=update,
        body=UpdateCollection,
        reply=CollectionDetail,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest),
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/admin/collections/{slug}",
        operation_id="admin.collections.delete",
        summary="Delete a collection; its models stay",
        handler=delete,
        status=204,
        auth=Auth.ADMIN,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="POST",
        path="/admin/collections/{slug}/models",
        operation_id="admin.collections.models.create",
        summary="Put a model into a collection, behind the others",
        handler=add,
        body=AddModel,
        reply=CollectionDetail,
        status=201,
        auth=Auth.ADMIN,
        errors=(errors.NotFound, errors.InvalidRequest),
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/admin/collections/{slug}/models/{owner}/{name}",
        operation_id="admin.collections.models.delete",
        summary="Take a model out of a collection",
        handler=remove,
        status=204,
        auth=Auth.ADMIN,
        errors=NOT_FOUND,
        ours=True,
    ),
)
