"""Create a model: a name, who may see it, what it runs on; then its page says how to push."""

from __future__ import annotations

from hearth.errors import Conflict, InvalidRequest
from hearth.web.errors import by_field
from hearth.web.http import Reply, redirect
from hearth.web.request import Request
from hearth.web.route import For, Route

FIELDS = ("name", "visibility", "hardware", "description")


async def show(request: Request) -> Reply:
    """`?purpose=fine-tune` is told how a training comes to it."""
    first = request.services.models.hardware[0].sku if request.services.models.hardware else "cpu"
    told = {"name": request.query.get("name", ""), "visibility": "private", "hardware": first, "description": ""}
    return _page(request, told, {})


def _page(request: Request, told: dict[str, str], errors: dict[str, str]) -> Reply:
    return request.page(
        "create.html",
        status=422 if errors else 200,
        told=told,
        errors=errors,
        skus=request.services.models.hardware,
        purpose=request.query.get("purpose", ""),
    )


async def create(request: Request) -> Reply:
    form, account = await request.form(), request.signed_in
    told = {field: form.get(field) for field in FIELDS}
    try:
        made = await request.services.models.create(account, owner=account.username, **told)
    except InvalidRequest as error:
        return _page(request, told, by_field(error))
    except Conflict as error:
        return _page(request, told, {"name": error.message})
    return redirect(f"/{made.full_name}")


ROUTES = (
    Route(method="GET", path="/create", handler=show, whom=For.SIGNED_IN),
    Route(method="POST", path="/create", handler=create, whom=For.SIGNED_IN),
)
