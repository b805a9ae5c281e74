"""How a model splits a text into tokens."""

from __future__ import annotations

import msgspec

from hearth import errors
from hearth.api.http import Request
from hearth.api.route import NOT_FOUND, Route


class SplitText(msgspec.Struct, frozen=True, kw_only=True):
    text: str


class TextTokenBody(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    text: str
    """Its part of the text; empty for one that only completes a character of the one before."""


class SplitBody(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    tokens: list[TextTokenBody]
    """Without what the model adds around a text."""


async def split(request: Request, body: SplitText) -> SplitBody:
    found = await request.services.tokens.split(
        request.account,
        owner=request.params["owner"],
        name=request.params["name"],
        version=request.params.get("version"),
        text=body.text,
    )
    return SplitBody(count=len(found), tokens=[TextTokenBody(id=token.id, text=token.text) for token in found])


def _route(path: str, operation_id: str, summary: str) -> Route:
    return Route(
        method="POST",
        path=path,
        operation_id=operation_id,
        summary=summary,
        handler=split,
        body=SplitText,
        reply=SplitBody,
        errors=(*NOT_FOUND, errors.InvalidVersion, errors.InvalidRequest, errors.Conflict),
        ours=True,
    )


ROUTES = (
    _route("/models/{owner}/{name}/tokens", "models.tokens", "Split a text into a model's tokens"),
    _route(
        "/models/{owner}/{name}/versions/{version}/tokens",
        "models.versions.tokens",
        "Split a text into the tokens of one version",
    ),
)
