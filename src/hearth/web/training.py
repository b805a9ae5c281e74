"""The Train tab: a form made of the training inputs, and the model that receives what is trained."""

from __future__ import annotations

from typing import Any

from hearth.domain.limits import Lane
from hearth.errors import HearthError, InvalidInput, InvalidRequest, NotFound, Throttled
from hearth.web import models
from hearth.web.errors import by_field, problem
from hearth.web.http import Reply, redirect
from hearth.web.playground import MAX_FORM, uploader
from hearth.web.request import Request
from hearth.web.route import For, Route
from hearth.web.snippets import LocalFile
from hearth.web.widgets import given, widgets


async def show(request: Request) -> Reply:
    return await _page(request, await _subject(request), {}, {})


async def train(request: Request) -> Reply:
    found = await _subject(request)
    assert found.interface is not None
    assert found.version is not None
    form = await request.form()
    told = await given(found.interface.training, form, uploader(request))
    errors, status = dict(told.errors), 422
    owner, name = found.model.owner, found.model.name
    if not errors:
        try:
            request.charge(Lane.OTHERS)
            made = await request.services.trainings.create(
                request.signed_in,
                owner=owner,
                name=name,
                version=found.version.id,
                destination=form.get("destination"),
                input=told.input,
                origin=request.origin,
                source="web",
            )
        except (InvalidInput, InvalidRequest, Throttled) as error:
            status, errors = problem(error).status, by_field(error)
        except NotFound as error:
            errors = {"destination": _sentence(error)}
        else:
            return redirect(f"/p/{made.id}")
    return await _page(request, found, told.input, errors, destination=form.get("destination"), status=status)


async def _subject(request: Request) -> models.Subject:
    """Raises NotFound for a model that cannot be trained."""
    found = await models.subject(request)
    if found.interface is None or not found.interface.trainable:
        raise NotFound("This model cannot be trained: its cog.yaml names no train code.")
    return found


async def _page(
    request: Request,
    found: models.Subject,
    input: dict[str, Any],
    errors: dict[str, str],
    *,
    destination: str = "",
    status: int = 200,
) -> Reply:
    assert found.interface is not None
    own = await request.services.models.mine(request.account, limit=100) if request.account else None
    shown = {name: value for name, value in input.items() if not isinstance(value, LocalFile)}
    return request.page(
        "model/train.html",
        status=status,
        **models.values(request, found, "train"),
        widgets=widgets(found.interface.training, shown, errors, request.origin),
        destination=destination,
        destination_error=errors.get("destination", ""),
        form_error=errors.get("", ""),
        own=[model.full_name for model in own.items] if own is not None else [],
    )


def _sentence(error: HearthError) -> str:
    return f"{error.message}. Make one under Create, or choose one of yours."


ROUTES = (
    Route(method="GET", path="/{owner}/{name}/train", handler=show),
    Route(method="POST", path="/{owner}/{name}/train", handler=train, whom=For.SIGNED_IN, max_form=MAX_FORM),
)
