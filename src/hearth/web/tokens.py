"""Under a prompt: how many tokens it has, and where a model splits it."""

from __future__ import annotations

from hearth.service.tokens import tokenizer_of
from hearth.web import models
from hearth.web.http import Reply
from hearth.web.request import Request
from hearth.web.route import Route
from hearth.web.versions import Interface
from hearth.web.widgets import PREFIX, Control, control_of

SHOWN = 2000
"""Tokens whose place is shown; all are counted."""


def field_of(found: models.Subject, interface: Interface) -> str:
    """The input whose tokens are counted: the prompt, else the first text; none without a tokenizer."""
    if found.version is None or tokenizer_of(found.version) is None:
        return ""
    texts = [field.name for field in interface.input.fields if control_of(field) is Control.TEXT]
    return "prompt" if "prompt" in texts else texts[0] if texts else ""


async def split(request: Request) -> Reply:
    """A part of the playground."""
    form = await request.form()
    name = next((key for key in form.fields if key.startswith(PREFIX)), PREFIX)
    tokens = await request.services.tokens.split(
        request.caller,
        owner=request.params["owner"],
        name=request.params["name"],
        version=request.params.get("version"),
        text=form.text(name) or "",
    )
    return request.part("parts/tokens.html", count=len(tokens), tokens=tokens[:SHOWN], field=name.removeprefix(PREFIX))


ROUTES = tuple(
    Route(method="POST", path=f"{path}/tokens", handler=split)
    for path in ("/{owner}/{name}", "/{owner}/{name}/versions/{version}")
)
