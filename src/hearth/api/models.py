"""Models and their versions."""

from __future__ import annotations

import json

import msgspec
from msgspec import UNSET, UnsetType

from hearth import errors
from hearth.api import paging, shown, wire
from hearth.api.bodies import ModelBody, PageBody, PredictionBody, VersionBody
from hearth.api.http import Reply, Request
from hearth.api.route import CURSOR, NOT_FOUND, Content, Parameter, Route
from hearth.domain.catalog import ModelOrder
from hearth.domain.model import Model, Version
from hearth.errors import InvalidRequest, Pointer
from hearth.service.models import Shown
from hearth.store.base import Page

MAX_QUERY = 64 * 1024
"""Bytes of a search's body."""


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
    return await shown.model(request, Shown(model, None, None))


class UpdateModel(msgspec.Struct, frozen=True, kw_only=True):
    description: str | UnsetType | None = UNSET
    readme: str | UnsetType | None = UNSET
    github_url: str | UnsetType | None = UNSET
    paper_url: str | UnsetType | None = UNSET
    weights_url: str | UnsetType | None = UNSET
    license_url: str | UnsetType | None = UNSET
    visibility: str | UnsetType = UNSET
    """Ours."""
    hardware: str | UnsetType = UNSET
    """Ours."""


class CreateExample(msgspec.Struct, frozen=True, kw_only=True):
    prediction: str
    """The id of one that has succeeded."""


async def update(request: Request, body: UpdateModel) -> ModelBody:
    params = request.params
    owner, name = params["owner"], params["name"]
    fields = {name: text for name, text in msgspec.structs.asdict(body).items() if text is not UNSET}
    runs = {name: fields.pop(name) for name in ("visibility", "hardware") if name in fields}
    model = await request.services.models.update(request.account, owner, name, fields)
    if runs:
        model = await request.services.showing.configure(request.account, owner, name, **runs)
    return await _body(request, model)


async def delete(request: Request) -> None:
    await request.services.models.delete(request.account, request.params["owner"], request.params["name"])


async def search(request: Request) -> PageBody[ModelBody]:
    """The body is what is looked for: plain text, or a JSON string, as some clients send it."""
    text = (await request.body(MAX_QUERY)).decode("utf-8", "replace").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            text = str(json.loads(text))
        except ValueError:
            text = text[1:-1]
    hits = await request.services.search.models(request.account, text)
    return PageBody(None, None, await shown.models(request, [each for each, _ in hits]))


async def readme(request: Request) -> Reply:
    text = await request.services.models.readme(request.account, request.params["owner"], request.params["name"])
    return Reply(200, text.encode(), b"text/plain; charset=utf-8")


async def examples(request: Request) -> PageBody[PredictionBody]:
    found = await request.services.examples.page(
        request.account, request.params["owner"], request.params["name"], paging.cursor(request)
    )
    results = [await request.services.wire.read(p, request.origin) for p in found.items]
    return paging.page(request, found, results)


async def add_example(request: Request, body: CreateExample) -> PredictionBody:
    params = request.params
    example = await request.services.examples.add(request.account, params["owner"], params["name"], body.prediction)
    return await request.services.wire.read(example, request.origin)


async def remove_example(request: Request) -> None:
    params = request.params
    await request.services.examples.remove(request.account, params["owner"], params["name"], params["id"])


async def delete_version(request: Request) -> None:
    params = request.params
    await request.services.models.delete_version(request.account, params["owner"], params["name"], params["id"])


async def get(request: Request) -> ModelBody:
    return await _body(request, await _model(request))


async def index(request: Request) -> PageBody[ModelBody]:
    by = _choice(request, "sort_by", [order.value for order in ModelOrder], ModelOrder.PUSHED.value)
    direction = _choice(request, "sort_direction", ["asc", "desc"], "desc")
    found = await request.services.models.page(paging.cursor(request), by=ModelOrder(by), ascending=direction == "asc")
    return await _page(request, found)


async def mine(request: Request) -> PageBody[ModelBody]:
    return await _page(request, await request.services.models.mine(request.account, paging.cursor(request)))


async def versions(request: Request) -> PageBody[VersionBody]:
    found: Page[Version] = await request.services.models.versions(
        request.account, request.params["owner"], request.params["name"], paging.cursor(request)
    )
    return paging.page(request, found, [wire.version(v) for v in found.items])


async def version(request: Request) -> VersionBody:
    """`latest` is answered with the version it stands for: clients then use that id."""
    params, models = request.params, request.services.models
    found = await models.version(request.account, params["owner"], params["name"], params["id"])
    return wire.version(found, await models.breakdowns(found))


async def retry(request: Request) -> None:
    params = request.params
    await request.services.models.retry(request.account, params["owner"], params["name"], params["id"])


async def _model(request: Request) -> Model:
    """Clients end up asking for `name:latest` or `name:<id>` here; what follows the colon does not matter."""
    name = request.params["name"].partition(":")[0]
    return await request.services.models.get(request.account, request.params["owner"], name)


async def _page(request: Request, found: Page[Model]) -> PageBody[ModelBody]:
    embedded = await request.services.models.embed(found.items)
    return paging.page(request, found, await shown.models(request, embedded))


async def _body(request: Request, model: Model) -> ModelBody:
    (embedded,) = await request.services.models.embed([model])
    return await shown.model(request, embedded)


def _choice(request: Request, name: str, choices: list[str], default: str) -> str:
    """A query parameter that has few values. Raises InvalidRequest."""
    value = request.query.get(name) or default
    if value not in choices:
        raise InvalidRequest(errors=(Pointer(f"/{name}", f"{name}: must be {' or '.join(choices)}"),))
    return value


ROUTES = (
    Route(
        method="GET",
        path="/models",
        operation_id="models.list",
        summary="List public models that have an example",
        handler=index,
        reply=PageBody[ModelBody],
        errors=(errors.InvalidRequest,),
        parameters=(
            CURSOR,
            Parameter("sort_by", "`model_created_at` or `latest_version_created_at`, which is the default."),
            Parameter("sort_direction", "`asc` or `desc`, which is the default."),
        ),
    ),
    Route(
        method="QUERY",
        path="/models",
        operation_id="models.search",
        summary="Search public models, and your own; the body is what to look for",
        handler=search,
        body=Content.TEXT,
        reply=PageBody[ModelBody],
        errors=(errors.TooLarge,),
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
        method="PATCH",
        path="/models/{owner}/{name}",
        operation_id="models.update",
        summary="Change a model's description, README and links (null clears one), visibility and hardware",
        handler=update,
        body=UpdateModel,
        reply=ModelBody,
        errors=(errors.NotFound, errors.InvalidRequest),
    ),
    Route(
        method="DELETE",
        path="/models/{owner}/{name}",
        operation_id="models.delete",
        summary="Delete a private model that has no versions",
        handler=delete,
        status=204,
        errors=(errors.NotFound, errors.Conflict),
    ),
    Route(
        method="GET",
        path="/models/{owner}/{name}/readme",
        operation_id="models.readme.get",
        summary="Get a model's README, as Markdown",
        handler=readme,
        reply=Content.TEXT,
        errors=NOT_FOUND,
    ),
    Route(
        method="GET",
        path="/models/{owner}/{name}/examples",
        operation_id="models.examples.list",
        summary="List a model's examples, the default one first",
        handler=examples,
        reply=PageBody[PredictionBody],
        errors=(errors.NotFound, errors.InvalidRequest),
        parameters=(CURSOR,),
    ),
    Route(
        method="POST",
        path="/models/{owner}/{name}/examples",
        operation_id="models.examples.create",
        summary="Show a prediction as an example of its model, and keep it for good",
        handler=add_example,
        body=CreateExample,
        reply=PredictionBody,
        status=201,
        errors=(errors.NotFound, errors.InvalidRequest),
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/models/{owner}/{name}/examples/{id}",
        operation_id="models.examples.delete",
        summary="Show an example no more; the prediction stays",
        handler=remove_example,
        status=204,
        errors=NOT_FOUND,
        ours=True,
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
    Route(
        method="POST",
        path="/models/{owner}/{name}/versions/{id}/retry",
        operation_id="models.versions.retry",
        summary="Try a version again whose setup failed too often; `latest` is the newest",
        handler=retry,
        status=204,
        errors=NOT_FOUND,
        ours=True,
    ),
    Route(
        method="DELETE",
        path="/models/{owner}/{name}/versions/{id}",
        operation_id="models.versions.delete",
        summary="Delete a version of a private model, with its predictions and their files",
        handler=delete_version,
        status=202,
        errors=(errors.NotFound, errors.Conflict),
    ),
)
