"""Deployments: the list, creating one with its cost in sight, how it fares, its releases, its settings."""

from __future__ import annotations

from typing import Any

from hearth.domain.deployment import MOST_MAX, MOST_MIN, Deployment
from hearth.domain.model import Model, Version
from hearth.errors import Conflict, HearthError, InvalidRequest, NotFound
from hearth.service.history import Wanted
from hearth.web import dashboard, errors, paging, plots, warming
from hearth.web.http import Reply, redirect
from hearth.web.links import with_urls
from hearth.web.render import seconds, sentence, size
from hearth.web.request import Request
from hearth.web.route import For, Route
from hearth.web.snippets import LABELS, LEXERS, Call, Language, Use, snippet

HOURS = (2, 24)
STATES = {
    "live": ("Live", "ok"),
    "rolling_out": ("Rolling out", "warn live"),
    "failed": ("Failed", "bad"),
    "disabled": ("Disabled", ""),
}
_KNOWN = 50
"""Own models that the form suggests."""
_LATEST = 10
"""Predictions on a deployment's page."""


async def index(request: Request) -> Reply:
    found = await request.services.deployments.page(request.signed_in, paging.cursor(request))
    running: dict[str, int] = {}
    for instance in request.services.bus.instances():
        if instance.deployment:
            running[instance.deployment] = running.get(instance.deployment, 0) + 1
    return request.page(
        "deployments/index.html",
        deployments=found.items,
        pages=paging.links(request, found),
        running=running,
        states=STATES,
        hardware=_hardware(request),
    )


# Creating one


async def form(request: Request) -> Reply:
    """`?model=owner/name&version=id` begins with these."""
    values = {"model": request.query.get("model", ""), "version": request.query.get("version", "")}
    return await _form(request, values, {})


async def create(request: Request) -> Reply:
    form = await request.form()
    values = {name: form.get(name) for name in ("name", "model", "version", "hardware")}
    values |= {name: form.get(name, "0") for name in ("min_instances", "max_instances")}
    try:
        made = await request.services.deployments.create(
            request.signed_in,
            name=values["name"],
            model=values["model"],
            version=values["version"] or "latest",
            hardware=values["hardware"],
            min_instances=_number(values["min_instances"]),
            max_instances=_number(values["max_instances"]),
        )
    except (InvalidRequest, Conflict) as error:
        wrong = errors.by_field(error)
        if isinstance(error, Conflict):
            wrong = {"name": error.message}
        return await _form(request, values, wrong, errors.problem(error).status)
    return redirect(f"/deployments/{made.full_name}", toast="The deployment is there.")


async def _form(request: Request, values: dict[str, str], wrong: dict[str, str], status: int = 200) -> Reply:
    model, versions = await _versions(request, values.get("model", ""))
    if model is not None and not values.get("hardware"):
        values["hardware"] = model.hardware
    return request.page(
        "deployments/create.html",
        values=values,
        errors=wrong,
        versions=versions,
        model=model,
        own=[own.full_name for own in (await request.services.models.mine(request.signed_in, limit=_KNOWN)).items],
        hardware=list(request.services.models.hardware),
        most=(MOST_MIN, MOST_MAX),
        status=status,
    )


async def versions(request: Request) -> Reply:
    """The choice of versions, once a model has been named."""
    model, found = await _versions(request, request.query.get("model", ""))
    return request.part("deployments/versions.html", model=model, versions=found, chosen="", asked=True)


async def _versions(request: Request, named: str) -> tuple[Model | None, list[Version]]:
    owner, _, name = named.strip().lower().partition("/")
    try:
        model = (await request.services.models.get(request.caller, owner, name)) if owner and name else None
        found = await request.services.models.versions(request.caller, owner, name) if model else None
    except NotFound:
        return None, []
    return model, found.items if found else []


# One of them


async def show(request: Request) -> Reply:
    deployment = await _get(request)
    hours = 2 if request.query.get("hours") == "2" else 24
    services, account = request.services, request.signed_in
    series = await services.monitoring.deployment(account, deployment.owner, deployment.name, hours)
    latest = await services.history.page(account, wanted=Wanted(deployment=deployment.full_name))
    now = request.services.now()
    return request.page(
        "deployments/overview.html",
        **await _shared(request, deployment, "overview"),
        whole=series.whole,
        plots=plots.of_series(series, seconds, size),
        hours=hours,
        choices=HOURS,
        rows=[dashboard.row(prediction, now) for prediction in latest.items[:_LATEST]],
        instances=[i for i in services.bus.instances() if i.deployment == deployment.full_name],
        standing=await services.scalings.get(deployment.id),
    )


async def api(request: Request) -> Reply:
    deployment = await _get(request)
    owner, _, name = deployment.current.model.partition("/")
    try:
        model = await request.services.models.get(request.caller, owner, name)
        example = (await request.services.models.embed([model]))[0].example
    except NotFound:
        example = None
    input = with_urls(example.input, request.origin) if example else {}
    call = Call(request.origin, deployment.full_name, input)
    snippets = [
        (LABELS[language], LEXERS[language], snippet(language, call, Use.DEPLOYMENT))
        for language in (Language.PYTHON, Language.NODEJS, Language.HTTP)
    ]
    return request.page("deployments/api.html", **await _shared(request, deployment, "api"), snippets=snippets)


async def releases(request: Request) -> Reply:
    deployment = await _get(request)
    found = await request.services.deployments.releases(request.signed_in, deployment.owner, deployment.name)
    return request.page("deployments/releases.html", **await _shared(request, deployment, "releases"), releases=found)


async def roll_back(request: Request) -> Reply:
    number = (await request.form()).get("number")
    owner, name = request.params["owner"], request.params["name"]
    if not number.isdecimal() or len(number) > 9:
        raise NotFound
    changed = await request.services.deployments.roll_back(request.signed_in, owner, name, int(number))
    return redirect(f"{_path(changed)}/releases", toast=f"Release {changed.current.number} is as {number} was.")


async def settings(request: Request) -> Reply:
    return await _settings(request, await _get(request), {}, {})


async def _settings(
    request: Request,
    deployment: Deployment,
    values: dict[str, str],
    wrong: dict[str, str],
    status: int = 200,
    warm: warming.Warming | None = None,
) -> Reply:
    current = deployment.current
    known = {"version": current.version, "hardware": current.hardware}
    known |= {"min_instances": str(current.min_instances), "max_instances": str(current.max_instances)}
    _, found = await _versions(request, current.model)
    return request.page(
        "deployments/settings.html",
        **await _shared(request, deployment, "settings"),
        values={**known, **values},
        errors=wrong,
        versions=found,
        hardware=list(request.services.models.hardware),
        most=(MOST_MIN, MOST_MAX),
        warming=warm or await warming.of(request, deployment.id),
        status=status,
    )


async def keep_warm(request: Request) -> Reply:
    deployment, form = await _get(request), await request.form()
    try:
        standing = await warming.put(request, deployment.id, form)
    except InvalidRequest as error:
        return await _settings(request, deployment, {}, {}, 400, warming.refused(form, error))
    return redirect(f"{_path(deployment)}/settings#warm", toast=f"{sentence(standing.because)}.")


async def update(request: Request) -> Reply:
    """`disable=yes`: bounds of 0, which cancels what runs and refuses what comes."""
    deployment, form = await _get(request), await request.form()
    values = {name: form.get(name) for name in ("version", "hardware", "min_instances", "max_instances")}
    if form.get("disable") == "yes":
        fields: dict[str, Any] = {"min_instances": 0, "max_instances": 0}
    else:
        fields = {name: values[name] for name in ("version", "hardware")}
        fields |= {name: _number(values[name]) for name in ("min_instances", "max_instances")}
    try:
        changed = await request.services.deployments.update(
            request.signed_in, deployment.owner, deployment.name, fields
        )
    except HearthError as error:
        return await _settings(request, deployment, values, errors.by_field(error), errors.problem(error).status)
    if changed.current.number == deployment.current.number:
        return redirect(f"{_path(changed)}/settings", toast="Nothing has changed.")
    told = (
        "It is disabled." if not changed.current.max_instances else f"Release {changed.current.number} is on its way."
    )
    return redirect(_path(changed), toast=told)


async def delete(request: Request) -> Reply:
    deployment = await _get(request)
    try:
        await request.services.deployments.delete(request.signed_in, deployment.owner, deployment.name)
    except Conflict as error:
        text = f"{error.message} {error.hint or ''}".strip()
        return await _settings(request, deployment, {}, {"delete": text}, 409)
    return redirect("/deployments", toast=f"{deployment.full_name} is deleted.")


async def _get(request: Request) -> Deployment:
    return await request.services.deployments.get(request.signed_in, request.params["owner"], request.params["name"])


async def _shared(request: Request, deployment: Deployment, tab: str) -> dict[str, Any]:
    return {
        "deployment": deployment,
        "path": _path(deployment),
        "tab": tab,
        "states": STATES,
        "names": _hardware(request),
        "prices": {known.sku: known.price for known in request.services.models.hardware},
    }


def _path(deployment: Deployment) -> str:
    return f"/deployments/{deployment.full_name}"


def _hardware(request: Request) -> dict[str, str]:
    return {known.sku: known.name for known in request.services.models.hardware}


def _number(text: str) -> int:
    """What is no number is out of every bound."""
    return int(text) if text.strip().isdecimal() and len(text) < 9 else -1


def _route(method: str, path: str, handler: Any) -> Route:
    return Route(method=method, path=f"/deployments{path}", handler=handler, whom=For.SIGNED_IN)


ROUTES = (
    _route("GET", "", index),
    _route("GET", "/create", form),
    _route("POST", "/create", create),
    _route("GET", "/create/versions", versions),
    _route("GET", "/{owner}/{name}", show),
    _route("GET", "/{owner}/{name}/api", api),
    _route("GET", "/{owner}/{name}/releases", releases),
    _route("POST", "/{owner}/{name}/releases", roll_back),
    _route("GET", "/{owner}/{name}/settings", settings),
    _route("POST", "/{owner}/{name}/settings", update),
    _route("POST", "/{owner}/{name}/warm", keep_warm),
    _route("POST", "/{owner}/{name}/delete", delete),
)
