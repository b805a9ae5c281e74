"""What runs where, what waits, and why: for admins, who may boot, stop, pause and keep warm."""

from __future__ import annotations

from typing import Any

from hearth.domain.instance import InstanceView
from hearth.errors import HearthError, NotFound, Unavailable
from hearth.web import errors, plots, warming
from hearth.web.http import Reply, redirect
from hearth.web.render import seconds, size
from hearth.web.request import Request
from hearth.web.route import For, Route

BADGES = {"ready": "ok", "busy": "info", "starting": "warn live", "setup": "warn live", "draining": ""}
ACTIONS = {
    "boot": "ok",
    "hold": "warn",
    "backoff": "warn",
    "failed": "bad",
    "lost": "bad",
    "evict": "info",
    "takeover": "info",
}
_DECISIONS = 12


async def show(request: Request) -> Reply:
    return await _page(request, {}, {})


async def _page(request: Request, values: dict[str, str], wrong: dict[str, str], status: int = 200) -> Reply:
    account, services = request.signed_in, request.services
    hours = 2 if request.query.get("hours") == "2" else 24
    series = await services.monitoring.server(account, hours)
    return request.page(
        "instances.html",
        **_now(request),
        whole=series.whole,
        plots=plots.of_series(series, seconds, size),
        hours=hours,
        choices=(2, 24),
        values=values,
        errors=wrong,
        status=status,
    )


async def now(request: Request) -> Reply:
    """The part of the page that changes by itself."""
    return request.part("parts/instances.html", **_now(request))


def _now(request: Request) -> dict[str, Any]:
    account, admin = request.signed_in, request.services.admin
    try:
        overview, decisions = admin.overview(account), admin.decisions(account, _DECISIONS)
    except Unavailable:  # this process serves pages for engines elsewhere
        overview, decisions = None, ()
    instances = sorted(admin.instances(account), key=_order)
    return {
        "overview": overview,
        "decisions": decisions,
        "instances": instances,
        "memory": sum(i.memory or 0 for i in instances),
        "badges": BADGES,
        "actions": ACTIONS,
    }


def _order(instance: InstanceView) -> tuple[str, str, str]:
    return instance.model, instance.deployment or "", instance.id


async def boot(request: Request) -> Reply:
    form = await request.form()
    values = {name: form.get(name) for name in ("model", "version", "deployment")}
    try:
        lane = await request.services.admin.boot(
            request.signed_in, **{name: value or None for name, value in values.items()}
        )
    except HearthError as error:
        found = errors.by_field(error)
        wrong = {"boot": found.get("model") or found.get("") or error.message}
        return await _page(request, values, wrong, errors.problem(error).status)
    return redirect("/instances", toast=f"{lane.model}: {lane.because}.")


async def stop(request: Request) -> Reply:
    request.services.admin.stop(request.signed_in, request.params["id"])
    return redirect("/instances", toast="It is being stopped.")


async def retry(request: Request) -> Reply:
    form = await request.form()
    owner, _, name = form.get("model").partition("/")
    await request.services.models.retry(request.signed_in, owner, name, form.get("version"))
    return redirect("/instances", toast="Its setup is tried anew.")


async def pause(request: Request) -> Reply:
    request.services.admin.pause(request.signed_in, (await request.form()).get("because"))
    return redirect("/instances", toast="Nothing new starts until you resume.")


async def resume(request: Request) -> Reply:
    request.services.admin.resume(request.signed_in)
    return redirect("/instances", toast="What waits starts again.")


async def warm(request: Request) -> Reply:
    """`target`: `owner/name` of a model, or of a deployment if `kind` says so. None: as the server has it."""
    form, scalings, caller = await request.form(), request.services.scalings, request.signed_in
    values = {name: form.get(name) for name in ("target", "kind", "warm", "schedule", "zone")}
    owner, _, name = values["target"].lower().partition("/")
    try:
        if not name:
            raise NotFound('Name it as "owner/name".')
        find = scalings.of_deployment if values["kind"] == "deployment" else scalings.of_model
        standing = await warming.put(request, await find(caller, owner, name), form)
    except HearthError as error:
        return await _page(request, values, {"warm": warming.refused(form, error).error}, errors.problem(error).status)
    return redirect("/instances", toast=f"{values['target']}: {standing.because}.")


def _route(method: str, path: str, handler: Any) -> Route:
    return Route(method=method, path=f"/instances{path}", handler=handler, whom=For.ADMIN)


ROUTES = (
    _route("GET", "", show),
    _route("GET", "/now", now),
    _route("POST", "/boot", boot),
    _route("POST", "/retry", retry),
    _route("POST", "/pause", pause),
    _route("POST", "/resume", resume),
    _route("POST", "/warm", warm),
    _route("POST", "/{id}/stop", stop),
)
