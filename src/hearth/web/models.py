"""A model's page: what all of its tabs share, and the tabs that only show."""

from __future__ import annotations

from typing import Any, NamedTuple

from hearth.domain.instance import InstanceState
from hearth.domain.model import Model, Version, cover
from hearth.domain.prediction import Prediction
from hearth.errors import NotFound
from hearth.service.models import Shown
from hearth.web import paging, panel
from hearth.web.http import TEXT, Reply
from hearth.web.links import with_urls
from hearth.web.request import Request
from hearth.web.route import Route
from hearth.web.snippets import LABELS, LEXERS, Call, Language, Use, setup, snippet
from hearth.web.versions import Interface, interface, type_name


class Subject(NamedTuple):
    """The model of a page, and the version that the page is about."""

    shown: Shown
    version: Version | None
    pinned: bool
    """The address names the version."""

    @property
    def model(self) -> Model:
        return self.shown.model

    @property
    def interface(self) -> Interface | None:
        return interface(self.version) if self.version is not None else None

    @property
    def reference(self) -> str:
        pinned = f":{self.version.id}" if self.pinned and self.version is not None else ""
        return f"{self.model.full_name}{pinned}"

    @property
    def path(self) -> str:
        return f"/{self.model.full_name}"


async def subject(request: Request) -> Subject:
    """By the address. Raises NotFound."""
    owner, name, id = request.params["owner"], request.params["name"], request.params.get("version")
    model = await request.services.models.get(request.caller, owner, name)
    (shown,) = await request.services.models.embed([model])
    if id is None:
        return Subject(shown, shown.latest, pinned=False)
    return Subject(shown, await request.services.models.version(request.caller, owner, name, id), pinned=True)


def values(request: Request, found: Subject, tab: str) -> dict[str, Any]:
    """What every tab's template is given."""
    account = request.account
    return {
        "subject": found,
        "model": found.model,
        "tab": tab,
        "owns": account is not None and account.id == found.model.account_id,
        "trainable": found.interface is not None and found.interface.trainable,
        "cover": cover(found.model, found.shown.example),
        "hardware": next((h for h in request.services.models.hardware if h.sku == found.model.hardware), None),
        "warmth": _warmth(request, found.version),
    }


def _warmth(request: Request, version: Version | None) -> str:
    """Whether a run starts at once: warm, booting, or cold. Instances of deployments are theirs alone."""
    states = {
        instance.state
        for instance in request.services.bus.instances()
        if version is not None and instance.version == version.id and instance.deployment is None
    }
    if states & {InstanceState.READY, InstanceState.BUSY}:
        return "warm"
    return "booting" if states & {InstanceState.STARTING, InstanceState.SETUP} else "cold"


def example_input(prediction: Prediction | None) -> dict[str, Any]:
    return {} if prediction is None or prediction.data_removed else prediction.input


async def api(request: Request) -> Reply:
    found = await subject(request)
    if found.version is None or found.interface is None:
        return request.page("model/empty.html", **values(request, found, "api"))
    wanted = request.query.get("input", "")
    language = Language(wanted) if wanted in set(Language) else Language.PYTHON
    language = Language.PYTHON if language is Language.JSON else language
    call = Call(request.origin, found.reference, _call_input(found, request.origin))
    uses = [Use.RUN, *([Use.STREAM] if found.interface.streams else []), Use.WEBHOOK]
    return request.page(
        "model/api.html",
        **values(request, found, "api"),
        language=language,
        labels={key: label for key, label in LABELS.items() if key is not Language.JSON},
        lexer=LEXERS[language],
        setup=setup(language, request.origin),
        snippets={use: snippet(language, call, use) for use in uses},
        fields=found.interface.input.fields,
        type_name=type_name,
        output=found.interface.output,
    )


def _call_input(found: Subject, origin: str) -> dict[str, Any]:
    """The default example's input, or the required fields with something in them."""
    example = found.shown.example
    if example is not None and example.input:
        secrets = found.interface.input.secret_fields if found.interface else frozenset()
        shown = {k: v for k, v in example.input.items() if k not in secrets}
        return dict(with_urls(shown, origin))
    assert found.interface is not None
    return {
        f.name: f.default if f.has_default else _sample(f.type, f.file)
        for f in found.interface.input.fields
        if f.required
    }


def _sample(kind: str | None, file: bool) -> Any:
    if file:
        return "https://example.com/input.png"
    return {"string": "…", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}.get(kind or "", "…")


async def schema(request: Request) -> Reply:
    found = await subject(request)
    if found.version is None:
        raise NotFound
    return request.page("model/schema.html", **values(request, found, "api"), document=found.version.openapi_schema)


async def examples(request: Request) -> Reply:
    found = await subject(request)
    page = await request.services.examples.page(
        request.caller, found.model.owner, found.model.name, paging.cursor(request)
    )
    items = [await panel.example(request, each) for each in page.items]
    return request.page(
        "model/examples.html", **values(request, found, "examples"), items=items, pages=paging.links(request, page)
    )


async def readme(request: Request) -> Reply:
    found = await subject(request)
    return request.page("model/readme.html", **values(request, found, "readme"))


async def versions(request: Request) -> Reply:
    found = await subject(request)
    page = await request.services.models.versions(
        request.caller, found.model.owner, found.model.name, paging.cursor(request)
    )
    return request.page(
        "model/versions.html", **values(request, found, "versions"), items=page.items, pages=paging.links(request, page)
    )


async def llms(request: Request) -> Reply:
    """The model for language models: one Markdown text."""
    found = await subject(request)
    call = Call(request.origin, found.reference, _call_input(found, request.origin)) if found.interface else None
    body = request.text(
        "model/llms.txt",
        **values(request, found, "api"),
        fields=found.interface.input.fields if found.interface else (),
        type_name=type_name,
        python=snippet(Language.PYTHON, call) if call else "",
        http=snippet(Language.HTTP, call) if call else "",
        output=found.interface.output if found.interface else {},
    )
    return Reply(body.encode(), 200, TEXT)


def _get(path: str, handler: Any, *, programs: bool = False) -> Route:
    return Route(method="GET", path=f"/{{owner}}/{{name}}{path}", handler=handler, programs=programs)


ROUTES = (
    _get("/api", api),
    _get("/api/schema", schema),
    _get("/versions/{version}/api", api),
    _get("/examples", examples),
    _get("/readme", readme),
    _get("/versions", versions),
    _get("/llms.txt", llms, programs=True),
)
