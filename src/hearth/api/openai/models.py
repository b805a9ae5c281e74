"""`GET /openai/v1/models`: what can be asked."""

from __future__ import annotations

from hearth.api.http import Request
from hearth.api.openai.bodies import ListedModel, ModelList
from hearth.api.route import NOT_FOUND, Route
from hearth.domain.model import Model


async def index(request: Request) -> ModelList:
    found = await request.services.language.models(request.account)
    return ModelList(data=[_listed(resolved.model.full_name, resolved.model) for resolved in found])


async def get(request: Request) -> ListedModel:
    name = f"{request.params['owner']}/{request.params['name']}"
    found = await request.services.language.find(request.account, name)
    return _listed(name, found.model)


def _listed(name: str, model: Model) -> ListedModel:
    return ListedModel(id=name, created=int(model.created_at), owned_by=model.owner)


ROUTES = (
    Route(
        method="GET",
        path="/openai/v1/models",
        operation_id="openai.models.list",
        summary="The models that answer at OpenAI's door",
        handler=index,
        reply=ModelList,
        openai=True,
        ours=True,
    ),
    Route(
        method="GET",
        path="/openai/v1/models/{owner}/{name}",
        operation_id="openai.models.get",
        summary="One model that answers at OpenAI's door",
        handler=get,
        reply=ListedModel,
        errors=NOT_FOUND,
        openai=True,
        ours=True,
    ),
)
