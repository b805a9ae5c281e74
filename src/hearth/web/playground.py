"""The playground: a form made of a version's schema, the same input as code, and what became of the last run."""

from __future__ import annotations

from typing import Any

from hearth import ids
from hearth.domain.limits import Lane
from hearth.domain.prediction import Prediction, PredictionKind
from hearth.errors import InvalidInput, InvalidRequest, NotFound, Throttled, Unauthenticated
from hearth.service.timings import Timing
from hearth.web import models, panel, tokens
from hearth.web.errors import by_field, problem
from hearth.web.forms import Posted
from hearth.web.http import Headers, Reply, redirect
from hearth.web.links import with_urls
from hearth.web.request import Request
from hearth.web.route import For, Route
from hearth.web.snippets import LABELS, LEXERS, Call, Language, snippet
from hearth.web.versions import Interface
from hearth.web.widgets import Upload, given, widgets

HOLD = 0.15
"""Seconds in which a quick model may answer before the page shows that it waits."""
MAX_FORM = 2 * 1024**3
FORM = "form"


async def show(request: Request) -> Reply:
    """`?prediction={id}` shows that run and fills the form with its input; `?input=python` shows code."""
    found = await models.subject(request)
    if found.version is None or found.interface is None:
        return request.page("model/empty.html", **models.values(request, found, "playground"))
    run, wanted = await _run(request, found), request.query.get("prediction")
    input = models.example_input(run)
    view = request.query.get("input", FORM)
    return await _page(
        request, found, input, {}, view=view if view in set(Language) else FORM, run=run, example=not wanted
    )


async def _run(request: Request, found: models.Subject) -> Prediction | None:
    """The prediction to begin with: the one that is asked for, else the default example."""
    wanted = request.query.get("prediction", "")
    if not wanted:
        return found.shown.example
    run = await request.services.sharing.view(request.caller, wanted) if ids.PREDICTION_ID.fullmatch(wanted) else None
    if run is None or run.model != found.model.full_name or run.kind is not PredictionKind.PREDICTION:
        raise NotFound("This model has no such prediction that you may see.")
    return run


async def _page(
    request: Request,
    found: models.Subject,
    input: dict[str, Any],
    errors: dict[str, str],
    *,
    view: str,
    run: Prediction | None,
    example: bool,
    status: int = 200,
) -> Reply:
    assert found.interface is not None
    return request.page(
        "model/playground.html",
        status=status,
        **models.values(request, found, "playground"),
        **editor(request, found, found.interface, input, errors, view),
        run=await panel.of(request, run) if run is not None else None,
        run_is_example=example,
        examples=await _others(request, found, run),
        timing=await _timing(request, found),
    )


def editor(
    request: Request,
    found: models.Subject,
    interface: Interface,
    input: dict[str, Any],
    errors: dict[str, str],
    view: str,
) -> dict[str, Any]:
    """What the left side shows."""
    secrets = interface.input.secret_fields
    told = {key: value for key, value in input.items() if key not in secrets}
    call = Call(request.origin, found.reference, with_urls(told, request.origin))
    return {
        "widgets": widgets(interface.input, told, errors, request.origin),
        "counted": tokens.field_of(found, interface),
        "form_error": errors.get("", ""),
        "view": view,
        "labels": {FORM: "Form", **LABELS},
        "code": "" if view == FORM else snippet(Language(view), call),
        "lexer": "" if view == FORM else LEXERS[Language(view)],
    }


async def _timing(request: Request, found: models.Subject) -> Timing | None:
    """None if nothing has been measured."""
    timing = await request.services.timings.of(found.model, found.version) if found.version is not None else None
    return timing if timing is not None and (timing.runs or timing.boots) else None


async def _others(request: Request, found: models.Subject, run: Prediction | None) -> list[Any]:
    page = await request.services.examples.page(request.caller, found.model.owner, found.model.name, limit=6)
    return [await panel.summary(request, p) for p in page.items if run is None or p.id != run.id]


async def run(request: Request) -> Reply:
    """Make a prediction of what was posted. Errors stand beside their fields."""
    found = await models.subject(request)
    if found.version is None or found.interface is None:
        raise NotFound("This model has no version yet.")
    form, account = await request.form(), request.signed_in
    if form.has("view"):  # a switch of the form was pressed, without scripts
        return await view(request)
    told = await given(found.interface.input, form, uploader(request))
    errors = told.errors
    status = 422
    if not errors:
        try:
            request.charge(Lane.CREATES)
            made = await request.services.predictions.create(
                account,
                version=f"{found.model.full_name}:{found.version.id}",
                input=told.input,
                hold=HOLD,
                origin=request.origin,
                source="web",
            )
        except (InvalidInput, InvalidRequest, Throttled) as error:
            status, errors = problem(error).status, by_field(error)
        else:
            return await _made(request, found, made)
    if request.htmx:
        shown = [(f.name, errors.pop(f.name, "")) for f in found.interface.input.fields]
        sentence = "; ".join(f"{name}: {text}" if name else text for name, text in errors.items())
        nothing: Headers = [(b"hx-reswap", b"none")]  # but what names its place
        return request.part("model/errors.html", errors=shown, form_error=sentence, headers=nothing)
    mode = Language.JSON if form.get("mode") == "json" else FORM
    return await _page(request, found, told.input, errors, view=mode, run=None, example=False, status=status)


async def _made(request: Request, found: models.Subject, made: Prediction) -> Reply:
    pinned = f"/versions/{found.version.id}" if found.pinned and found.version else ""
    address = f"{found.path}{pinned}?prediction={made.id}"
    if not request.htmx:
        return redirect(address)
    shown = await panel.of(request, made)
    return request.part("parts/panel.html", run=shown, headers=[(b"hx-push-url", address.encode())])


def uploader(request: Request) -> Upload:
    """Posted files become uploads of who is signed in. Raises TooLarge, Unauthenticated."""

    async def upload(file: Posted) -> str:
        if request.account is None:
            raise Unauthenticated
        stored = await request.services.files.upload(
            request.account, name=file.name, content_type=file.content_type, metadata={}, chunks=file.chunks()
        )
        return stored.reference

    return upload


async def view(request: Request) -> Reply:
    """The input that was posted in another view: the form, JSON, or code. Nothing is run or stored."""
    found = await models.subject(request)
    if found.version is None or found.interface is None:
        raise NotFound
    form = await request.form()
    wanted = form.get("view")
    wanted = wanted if wanted in set(Language) else FORM
    told = await given(found.interface.input, form, None)
    shown = editor(request, found, found.interface, told.input, told.errors, wanted)
    if not request.htmx:
        return await _page(request, found, told.input, told.errors, view=wanted, run=None, example=False)
    if wanted == FORM:
        if told.errors:
            raise InvalidRequest("; ".join(told.errors.values()))
        return request.part("model/fields.html", **shown, subject=found)
    return request.part("model/code.html", **shown, subject=found)


def _routes(path: str) -> tuple[Route, ...]:
    return (
        Route(method="GET", path=path, handler=show),
        Route(method="POST", path=path, handler=run, whom=For.SIGNED_IN, max_form=MAX_FORM),
        Route(method="POST", path=f"{path}/view", handler=view),
    )


ROUTES = (*_routes("/{owner}/{name}"), *_routes("/{owner}/{name}/versions/{version}"))
