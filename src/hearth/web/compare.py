"""Compare: one input on several models or versions, or several inputs, side by side in a grid."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from hearth.domain.field import Field
from hearth.domain.limits import Lane
from hearth.domain.model import Model, Version
from hearth.domain.prediction import Prediction
from hearth.domain.schema import InputSchema, OutputKind
from hearth.errors import InvalidInput, InvalidRequest, NotFound, Pointer, Throttled
from hearth.web import models, panel
from hearth.web.errors import by_field, problem
from hearth.web.forms import Form
from hearth.web.http import Reply, redirect
from hearth.web.links import with_urls
from hearth.web.panel import Panel
from hearth.web.playground import MAX_FORM, uploader
from hearth.web.request import Request
from hearth.web.route import For, Route
from hearth.web.versions import Interface, interface
from hearth.web.widgets import Control, control_of, given, widgets

MAX_MODELS = 6
MAX_RUNS = 24
_OFFERED = 100


class Target(NamedTuple):
    """A model, or one version of it, as a column."""

    reference: str
    model: Model
    version: Version
    interface: Interface
    example: Prediction | None

    @property
    def label(self) -> str:
        pinned = f" {self.version.id[:8]}" if ":" in self.reference else ""
        return f"{self.model.full_name}{pinned}"


async def show(request: Request) -> Reply:
    """`?m=owner/name` (several times, `:version` allowed) are the columns, `?p=id` the runs to show, row by row."""
    targets, unknown = await _targets(request, request.all("m"))
    runs = await _runs(request, targets)
    input = runs[0].input if runs else models.example_input(targets[0].example) if targets else {}
    return await _page(request, targets, input, {}, runs=runs, unknown=unknown)


async def _targets(request: Request, references: list[str]) -> tuple[list[Target], list[str]]:
    """Those that the reader may see, and what was asked for besides."""
    found: list[Target] = []
    unknown: list[str] = []
    for reference in list(dict.fromkeys(text.strip() for text in references if text.strip()))[:MAX_MODELS]:
        full_name, _, id = reference.partition(":")
        owner, _, name = full_name.partition("/")
        try:
            model = await request.services.models.get(request.caller, owner, name)
            version = await request.services.models.version(request.caller, owner, name, id or "latest")
        except NotFound:
            unknown.append(reference)
            continue
        (shown,) = await request.services.models.embed([model])
        found.append(Target(reference, model, version, interface(version), shown.example))
    return found, unknown


async def _runs(request: Request, targets: list[Target]) -> list[Prediction]:
    asked = request.all("p")[:MAX_RUNS]
    return [await request.services.sharing.view(request.caller, id) for id in asked] if targets else []


def _schema(targets: list[Target]) -> InputSchema:
    """Every input that one of them has; the first one's words for those that several have."""
    fields: dict[str, Field] = {}
    for target in targets:
        for field in target.interface.input.fields:
            fields.setdefault(field.name, field)
    return InputSchema(tuple(fields.values()), OutputKind())


class Row(NamedTuple):
    label: str
    cells: list[Panel]


async def _page(
    request: Request,
    targets: list[Target],
    input: dict[str, Any],
    errors: dict[str, str],
    *,
    runs: list[Prediction] | None = None,
    unknown: list[str] | None = None,
    vary: str = "",
    values: str = "",
    status: int = 200,
) -> Reply:
    schema = _schema(targets)
    told = {key: value for key, value in input.items() if key in schema.keys and key not in schema.secret_fields}
    offered = await request.services.models.page(limit=_OFFERED)
    own = await request.services.models.mine(request.account, limit=_OFFERED) if request.account else None
    names = [model.full_name for model in [*(own.items if own else []), *offered.items] if model.latest_version_id]
    return request.page(
        "compare.html",
        status=status,
        targets=targets,
        unknown=unknown or [],
        without={t.reference: _address([o for o in targets if o is not t]) for t in targets},
        names=list(dict.fromkeys(names)),
        widgets=widgets(schema, told, errors, request.origin),
        form_error=errors.get("", ""),
        variable=[f.name for f in schema.fields if control_of(f) not in (Control.FILE, Control.FILES, Control.SECRET)],
        vary=vary,
        values=values,
        max_models=MAX_MODELS,
        rows=await _rows(request, len(targets), runs or []),
    )


def _address(targets: list[Target], runs: list[Prediction] | None = None) -> str:
    pairs = [("m", target.reference) for target in targets] + [("p", run.id) for run in runs or []]
    return f"/compare?{urlencode(pairs)}"


async def _rows(request: Request, width: int, runs: list[Prediction]) -> list[Row]:
    """Runs come row by row. A row is named by what its inputs have and the others have not."""
    if not runs or not width:
        return []
    chunks = [runs[at : at + width] for at in range(0, len(runs), width)]
    first = [chunk[0].input for chunk in chunks]
    differing = [key for key in first[0] if len({msgspec.json.encode(each.get(key)) for each in first}) > 1]
    return [
        Row(
            ", ".join(_text(chunk[0].input.get(key)) for key in differing),
            [await panel.of(request, run) for run in chunk],
        )
        for chunk in chunks
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(with_urls(value, ""), ensure_ascii=False)


async def run(request: Request) -> Reply:
    """All of them, or none: every input is checked against every model first."""
    form = await request.form()
    targets, unknown = await _targets(request, form.fields.get("m", []))
    if not targets:
        raise InvalidRequest("Choose a model to run.")
    schema = _schema(targets)
    told = await given(schema, form, uploader(request))
    vary, values = form.get("vary"), form.text("values") or ""
    errors, status = dict(told.errors), 422
    if not errors:
        try:
            inputs = await _inputs(schema, told.input, form, vary, values)
            if len(inputs) * len(targets) > MAX_RUNS:
                raise InvalidRequest(
                    f"That would be {len(inputs) * len(targets)} runs; {MAX_RUNS} at a time are allowed."
                )
            jobs = [(target, _for(target, input)) for input in inputs for target in targets]
            request.charge(Lane.CREATES, len(jobs))
            made = [await _create(request, *job) for job in jobs]
        except (InvalidInput, InvalidRequest, Throttled) as error:
            status, errors = problem(error).status, by_field(error)
        else:
            return redirect(_address(targets, made))
    return await _page(request, targets, told.input, errors, unknown=unknown, vary=vary, values=values, status=status)


async def _inputs(
    schema: InputSchema, input: dict[str, Any], form: Form, vary: str, values: str
) -> list[dict[str, Any]]:
    """One, or one for each line of `values`, which stands in the field `vary`. Raises InvalidRequest."""
    lines = [line for line in values.split("\n") if line.strip()]
    if not vary or not lines:
        return [input]
    found = []
    for line in lines:
        single = Form()
        single.add(f"in.{vary}", line)
        told = await given(schema, single, None)
        if vary in told.errors:
            raise InvalidRequest(errors=(Pointer(f"/{vary}", f"{line}: {told.errors[vary]}"),))
        found.append({**input, vary: told.input.get(vary)})
    return found


def _for(target: Target, input: dict[str, Any]) -> dict[str, Any]:
    """What this model knows of it, checked. Raises InvalidInput."""
    return target.interface.input.check(target.interface.input.known(input))


async def _create(request: Request, target: Target, input: dict[str, Any]) -> Prediction:
    return await request.services.predictions.create(
        request.signed_in,
        version=f"{target.model.full_name}:{target.version.id}",
        input=input,
        origin=request.origin,
        source="web",
    )


ROUTES = (
    Route(method="GET", path="/compare", handler=show),
    Route(method="POST", path="/compare", handler=run, whom=For.SIGNED_IN, max_form=MAX_FORM),
)
