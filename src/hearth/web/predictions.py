"""One prediction's page, and what may be done with it: cancel, share, show as an example, delete."""

from __future__ import annotations

import json
from typing import Any

from hearth.domain.model import Model
from hearth.domain.prediction import Prediction, PredictionKind
from hearth.errors import NotFound
from hearth.web import panel
from hearth.web.http import Reply, redirect
from hearth.web.request import Request
from hearth.web.route import For, Route


async def show(request: Request) -> Reply:
    found = await request.services.sharing.view(request.caller, request.params["id"])
    model = await _model(request, found)
    return request.page(
        "prediction.html",
        run=await panel.of(request, found),
        model=model,
        owns_model=model is not None and request.account is not None and model.account_id == request.account.id,
        input=panel.shown_input(found),
        training=found.kind is PredictionKind.TRAINING,
        document=await _json(request, found),
    )


async def _model(request: Request, found: Prediction) -> Model | None:
    owner, _, name = found.model.partition("/")
    try:
        return await request.services.models.get(request.caller, owner, name)
    except NotFound:
        return None  # private, or deleted: the prediction may be shared even so


async def _json(request: Request, found: Prediction) -> str:
    """As the API gives it."""
    text = await request.services.render(found, request.origin)
    return json.dumps(json.loads(text), ensure_ascii=False, indent=2)


async def cancel(request: Request) -> Reply:
    found = await request.services.predictions.cancel(request.signed_in, request.params["id"])
    return await _after(request, found, "Canceled." if found.phase.terminal else "It will end in a moment.")


async def share(request: Request) -> Reply:
    wanted = (await request.form()).get("shared") != "no"
    found = await request.services.sharing.share(request.signed_in, request.params["id"], wanted)
    told = "Whoever has the link can see it now." if wanted else "Only you can see it now."
    return await _after(request, found, told)


async def example(request: Request) -> Reply:
    wanted = (await request.form()).get("example") != "no"
    found = await request.services.predictions.get(request.signed_in, request.params["id"])
    owner, _, name = found.model.partition("/")
    if wanted:
        await request.services.examples.add(request.signed_in, owner, name, found.id)
    else:
        await request.services.examples.remove(request.signed_in, owner, name, found.id)
    told = "It is an example of its model now." if wanted else "It is no example any more."
    return await _after(request, found, told)


async def delete(request: Request) -> Reply:
    found = await request.services.predictions.get(request.signed_in, request.params["id"])
    await request.services.sharing.delete(request.signed_in, found.id)
    address = f"/{found.model}"
    if request.htmx:
        return Reply(b"", 204, b"", [(b"hx-redirect", address.encode())])
    return redirect(address, toast="The prediction is deleted, with its files.")


async def _after(request: Request, found: Prediction, toast: str) -> Reply:
    if not request.htmx:
        back = (await request.form()).get("next")
        return redirect(back if back.startswith(f"/{found.model}") else f"/p/{found.id}", toast=toast)
    trigger = json.dumps({"toast": toast}, ensure_ascii=True).encode()
    return request.part("parts/panel.html", run=await panel.of(request, found), headers=[(b"hx-trigger", trigger)])


def _post(action: str, handler: Any) -> Route:
    return Route(method="POST", path=f"/p/{{id}}/{action}", handler=handler, whom=For.SIGNED_IN)


ROUTES = (
    Route(method="GET", path="/p/{id}", handler=show),
    _post("cancel", cancel),
    _post("share", share),
    _post("example", example),
    _post("delete", delete),
)
