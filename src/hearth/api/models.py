"""Models and their versions."""

from __future__ import annotations

import msgspec

from hearth import errors
from hearth.api import paging, wire
from hearth.api.http import Request
from hearth.api.route import CURSOR, NOT_FOUND, Route
from hearth.api.wire import ModelBody, PageBody, VersionBody
from hearth.domain.model import Model, Version
from hearth.store.base import Page


class CreateModel(msgspec.Struct, frozen=True, kw_only=True):
    owner: str
    name: str
    visibility: str
    hardware: str
    description: str | None = None
    github_url: str | None = None
    paper_url: str | None = None
    license_url: str | None = None
    cover_image_url: str | None = None


async def create(request: Request, body: CreateModel) -> ModelBody:
    model = await request.services.models.create(
        request.account,
        owner=body.owner,
        name=body.name,
        visibility=body.visibility,
        hardware=body.hardware,
        description=body.description or None,
        github_url=body.github_url or None,
        paper_url=body.paper_url or None,
        license_url=body.license_url or None,
        cover_image_url=body.cover_image_url or None,
    )
    return wire.model(model, None, request.origin)


async def get(request: Request) -> ModelBody:
    return await _body(request, await _model(request))


async def index(request: Request) -> PageBody[ModelBody]:
    return await _page(request, await request.services.models.page(request.account, paging.cursor(request)))


async def mine(request: Request) -> PageBody[ModelBody]:
    return await _page(request, await request.services.models.mine(request.account, paging.cursor(request)))


async def versions(request: Request) -> PageBody[VersionBody]:
    found: Page[Version] = await request.services.models.versions(
        request.account, request.params["owner"], request.params["name"], paging.cursor(request)
    )
    return paging.page(request, found, [wire.version(v) for v in found.items])


async def version(request: Request) -> VersionBody:
    """`latest` is answered with the version it stands for: clients then use that id."""
    params = request.params
    return wire.version(
        await request.services.models.version(request.account, params["owner"], params["name"], params["id"])
    )


async def _model(request: Request) -> Model:
    """Clients end up asking for `name:latest` or `name:<id>` here; what follows the colon does not matter."""
    name = request.params["name"].partition(":")[0]
    return await request.services.models.get(request.account, request.params["owner"], name)


async def _page(request: Request, found: Page[Model]) -> PageBody[ModelBody]:
    return paging.page(request, found, [await _body(request, m) for m in found.items])


async def _body(request: Request, model: Model) -> ModelBody:
    return wire.model(model, await request.services.models.latest(model), request.origin)


ROUTES = (
    Route(
        method="GET",
        path="/models",
        operation_id="models.list",
        summary="List public models",
        handler=index,
        reply=PageBody[ModelBody],
        errors=(errors.InvalidRequest,),
        parameters=(CURSOR,),
    ),
    Route(
        method="POST",
        path="/models",
        operation_id="models.create",
        summary="Create a model",
        handler=create,
        body=CreateModel,
        reply=ModelBody,
        status=201,
        errors=(errors.InvalidRequest, errors.Conflict),
        creates=True,
    ),
    Route(
        method="GET",
        path="/account/models",
        operation_id="account.models.list",
        summary="List your own models, private ones included",
        handler=mine,
        reply=PageBody[ModelBody],
        errors=(errors.InvalidRequest,),
        parameters=(CURSOR,),
        ours=True,
    ),
    Route(
        method="GET",
        path="/models/{owner}/{name}",
        operation_id="models.get",
        summary="Get a model",
        handler=get,
        reply=ModelBody,
        errors=NOT_FOUND,
    ),
    Route(
        method="GET",
        path="/models/{owner}/{name}/versions",
        operation_id="models.versions.list",
        summary="List a model's versions, newest first",
        handler=versions,
        reply=PageBody[VersionBody],
        errors=(errors.NotFound, errors.InvalidRequest),
        parameters=(CURSOR,),
    ),
    Route(
        method="GET",
        path="/models/{owner}/{name}/versions/{id}",
        operation_id="models.versions.get",
        summary="Get a version; `latest` is the newest",
        handler=version,
        reply=VersionBody,
        errors=NOT_FOUND,
    ),
)
