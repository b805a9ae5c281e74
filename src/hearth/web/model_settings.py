"""A model's Settings tab, and what else its owner may change: versions go, the model goes."""

from __future__ import annotations

from typing import Any

from hearth.errors import InvalidRequest, NotFound, TooLarge
from hearth.service.models import UPDATABLE
from hearth.web import models, warming
from hearth.web.errors import by_field
from hearth.web.http import Reply, redirect
from hearth.web.markdown import markdown
from hearth.web.render import sentence
from hearth.web.request import Request
from hearth.web.route import For, Route

MAX_FORM = 16 * 1024 * 1024


async def _own(request: Request) -> models.Subject:
    found = await models.subject(request)
    if found.model.account_id != request.signed_in.id:
        raise NotFound
    return found


async def show(request: Request) -> Reply:
    return await _page(request, await _own(request), {})


async def _page(
    request: Request,
    found: models.Subject,
    errors: dict[str, str],
    told: dict[str, str] | None = None,
    warm: warming.Warming | None = None,
) -> Reply:
    shown = {name: getattr(found.model, name) or "" for name in UPDATABLE}
    shown |= {"visibility": found.model.visibility.value, "hardware": found.model.hardware}
    return request.page(
        "model/settings.html",
        status=422 if errors or warm else 200,
        **models.values(request, found, "settings"),
        told=shown | (told or {}),
        errors=errors,
        skus=request.services.models.hardware,
        warming=warm or await warming.of(request, found.model.id),
    )


async def save(request: Request) -> Reply:
    found = await _own(request)
    form, owner, name = await request.form(), found.model.owner, found.model.name
    told = {field: form.text(field) or "" for field in (*UPDATABLE, "visibility", "hardware")}
    texts: dict[str, Any] = {field: told[field].strip() or None for field in UPDATABLE}
    services, errors = request.services, dict[str, str]()
    try:
        await services.models.update(request.signed_in, owner, name, texts)
        await services.showing.configure(
            request.signed_in, owner, name, visibility=told["visibility"], hardware=told["hardware"]
        )
        if pictures := form.files.get("cover"):
            await services.showing.set_cover(request.signed_in, owner, name, pictures[0].name, pictures[0].chunks())
        elif form.has("no_cover"):
            await services.showing.remove_cover(request.signed_in, owner, name)
    except (InvalidRequest, TooLarge) as error:
        errors = by_field(error)
        return await _page(request, found, errors, told)
    return redirect(f"{found.path}/settings", toast="Saved.")


async def keep_warm(request: Request) -> Reply:
    found, form = await _own(request), await request.form()
    try:
        standing = await warming.put(request, found.model.id, form)
    except InvalidRequest as error:
        return await _page(request, found, {}, None, warming.refused(form, error))
    return redirect(f"{found.path}/settings#warm", toast=f"{sentence(standing.because)}.")


async def preview(request: Request) -> Reply:
    """Markdown as the README will show it."""
    text = (await request.form()).text("readme") or ""
    return Reply(f'<div class="prose">{markdown(text)}</div>'.encode())


async def delete(request: Request) -> Reply:
    found = await _own(request)
    if (await request.form()).get("confirm") != found.model.full_name:
        return await _page(request, found, {"confirm": f"Type {found.model.full_name} to delete it."})
    await request.services.models.delete(request.signed_in, found.model.owner, found.model.name)
    return redirect(f"/{found.model.owner}", toast=f"{found.model.full_name} is deleted.")


async def delete_version(request: Request) -> Reply:
    found, id = await _own(request), request.params["version"]
    await request.services.models.delete_version(request.signed_in, found.model.owner, found.model.name, id)
    return redirect(f"{found.path}/versions", toast="The version is deleted; its predictions and files go with it.")


def _post(path: str, handler: Any, max_form: int = 1024 * 1024) -> Route:
    path = f"/{{owner}}/{{name}}/{path}"
    return Route(method="POST", path=path, handler=handler, whom=For.SIGNED_IN, max_form=max_form)


ROUTES = (
    Route(method="GET", path="/{owner}/{name}/settings", handler=show, whom=For.SIGNED_IN),
    _post("settings", save, MAX_FORM),
    _post("warm", keep_warm),
    _post("readme/preview", preview),
    _post("delete", delete),
    _post("versions/{version}/delete", delete_version),
)
