"""A new batch: a model, a table, and what its rows have in common; checked before it is run."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple
from urllib.parse import quote

from hearth.domain.batch import format_of, guess, variables
from hearth.domain.limits import Lane
from hearth.domain.model import Version
from hearth.errors import InvalidRequest, NotFound, TooLarge
from hearth.service.tables import Prepared
from hearth.web.batches import differing
from hearth.web.forms import Form
from hearth.web.http import Reply, redirect
from hearth.web.links import with_urls
from hearth.web.playground import MAX_FORM, uploader
from hearth.web.request import Request
from hearth.web.route import For, Route
from hearth.web.snippets import LocalFile
from hearth.web.versions import Interface, interface
from hearth.web.widgets import given, widgets

MAX_TABLE = 64 * 1024 * 1024
"""Bytes of a file with rows."""
SHOWN = 5
"""Inputs that a check shows."""
_OFFERED = 100


class Target(NamedTuple):
    """The model that will run, or one version of it."""

    reference: str
    version: Version
    interface: Interface

    @property
    def pinned(self) -> str:
        """`owner/name:version`."""
        return f"{self.version.model}:{self.version.id}"


class Check(NamedTuple):
    """What would be run, or the rows that cannot be."""

    wrong: list[str]
    total: int
    variables: list[str]
    """That the common inputs name."""
    first: list[dict[str, Any]]
    columns: list[str]
    """The inputs that differ among the first."""


class Table(NamedTuple):
    text: str
    format: str
    typed: bool
    """In the page, and not from a file."""


async def show(request: Request) -> Reply:
    """`?model=owner/name` or `owner/name:version`; without one it is asked for."""
    if not request.query.get("model", "").strip():
        return await _ask(request, "")
    try:
        target = await _target(request)
    except NotFound:
        return await _ask(request, "There is no such model that you may see, or it has no version.")
    return _page(request, target, {}, {}, rows="")


async def _ask(request: Request, error: str) -> Reply:
    offered = await request.services.models.page(limit=_OFFERED)
    own = await request.services.models.mine(request.signed_in, limit=_OFFERED)
    names = [model.full_name for model in (*own.items, *offered.items) if model.latest_version_id]
    return request.page("batches/model.html", status=422 if error else 200, names=dict.fromkeys(names), error=error)


async def _target(request: Request) -> Target:
    """Raises NotFound."""
    reference = request.query.get("model", "").strip()
    full_name, _, id = reference.partition(":")
    owner, _, name = full_name.partition("/")
    version = await request.services.models.version(request.signed_in, owner, name, id or "latest")
    return Target(reference, version, interface(version))


def _page(
    request: Request,
    target: Target,
    input: dict[str, Any],
    errors: dict[str, str],
    *,
    rows: str,
    check: Check | None = None,
) -> Reply:
    schema = target.interface.input
    told = {key: value for key, value in input.items() if key not in schema.secret_fields}
    return request.page(
        "batches/new.html",
        status=422 if errors or (check and check.wrong) else 200,
        target=target,
        widgets=widgets(schema, told, errors, request.origin),
        form_error=errors.get("", ""),
        rows=rows,
        example=f"{schema.fields[0].name if schema.fields else 'text'}\nthe first value\nthe second one",
        check=check,
    )


async def post(request: Request) -> Reply:
    """Run it; or, as the button says, only check it. A form without a table comes from a playground: its inputs are
    carried over, with a column for each of their `<variables>`."""
    target, form = await _target(request), await request.form()
    told = await given(target.interface.input, form, uploader(request))
    if not form.has("rows"):
        return _page(request, target, told.input, told.errors, rows=_header(told.input))
    table = await _table(form)
    typed = table.text if table.typed else ""
    if told.errors:
        return _page(request, target, told.input, told.errors, rows=typed)
    if form.has("check"):
        found = await _preview(request, target, told.input, table)
        return _page(request, target, told.input, {}, rows=typed, check=_check(target, told.input, found))
    request.charge(Lane.OTHERS)
    try:
        made = await request.services.batches.create(
            request.signed_in,
            version=target.pinned,
            template=told.input,
            text=table.text,
            format=table.format,
            origin=request.origin,
        )
    except InvalidRequest as error:
        wrong = [e.detail.removeprefix("rows: ") for e in error.errors]
        check = _check(target, told.input, Prepared(inputs=[], wrong=wrong or [error.message]))
        return _page(request, target, told.input, {}, rows=typed, check=check)
    return redirect(f"/batches/{made.id}")


def _header(input: dict[str, Any]) -> str:
    """The first line of a table that fills them."""
    named = variables(input)
    return f"{','.join(named)}\n" if named else ""


async def _table(form: Form) -> Table:
    """The file if there is one, else what was typed. Raises TooLarge, InvalidRequest."""
    for file in form.files.get("table", []):
        if file.size > MAX_TABLE:
            raise TooLarge(f"A table may have at most {MAX_TABLE // 2**20} MB.")
        file.content.seek(0)
        data = await asyncio.to_thread(file.content.read)
        try:
            return Table(data.decode("utf-8-sig"), format_of(file.name), typed=False)
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"{file.name} is not a text in UTF-8; save it as CSV (UTF-8) or JSONL.") from error
    text = form.text("rows") or ""
    return Table(text, guess(text), typed=True)


async def check(request: Request) -> Reply:
    """What would be run, while somebody types: a part of the page. Of files it is told the names only."""
    target, form = await _target(request), await request.form()
    told, table = await given(target.interface.input, form, None), await _table(form)
    input = {key: _stand_in(value) for key, value in told.input.items()}
    empty = not table.text.strip()
    found = Prepared(inputs=[], wrong=[]) if empty else await _preview(request, target, input, table)
    return request.part("batches/check.html", check=_check(target, input, found))


def _stand_in(value: Any) -> Any:
    """An address in place of a file that was not sent."""
    if isinstance(value, list):
        return [_stand_in(item) for item in value]
    return f"https://files.invalid/{quote(value[1:])}" if isinstance(value, LocalFile) else value


async def _preview(request: Request, target: Target, input: dict[str, Any], table: Table) -> Prepared:
    return await request.services.batches.preview(
        request.signed_in, version=target.pinned, template=input, text=table.text, format=table.format
    )


def _check(target: Target, template: dict[str, Any], found: Prepared) -> Check:
    secrets = target.interface.input.secret_fields
    first = [
        {key: with_urls(value, "") for key, value in input.items() if key not in secrets}
        for input in found.inputs[:SHOWN]
    ]
    _, columns = differing(first)
    return Check(
        wrong=[text[:1].upper() + text[1:] for text in found.wrong],
        total=len(found.inputs),
        variables=variables(template),
        first=first,
        columns=columns,
    )


ROUTES = (
    Route(method="GET", path="/batches/new", handler=show, whom=For.SIGNED_IN),
    Route(method="POST", path="/batches/new", handler=post, whom=For.SIGNED_IN, max_form=MAX_FORM),
    Route(method="POST", path="/batches/check", handler=check, whom=For.SIGNED_IN, max_form=MAX_TABLE),
)
