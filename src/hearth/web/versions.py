"""A version as pages use it: with its schema parsed, and what it returns."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from hearth.domain.field import Field
from hearth.domain.model import Version
from hearth.domain.prediction import Prediction
from hearth.domain.schema import InputSchema, OutputKind
from hearth.errors import NotFound
from hearth.web.request import Request

UNKNOWN = OutputKind()


class Interface(NamedTuple):
    input: InputSchema
    training: InputSchema
    output: dict[str, Any]
    """The schema of the output, as the version has it."""
    trainable: bool
    streams: bool


@lru_cache(maxsize=256)
def _interface(version_id: str, document: _Document) -> Interface:
    components = (document.openapi.get("components") or {}).get("schemas") or {}
    return Interface(
        input=InputSchema.parse(document.openapi),
        training=InputSchema.parse(document.openapi, train=True),
        output=components.get("Output") or {},
        trainable="TrainingInput" in components,
        streams=document.streams,
    )


class _Document:
    """The document of a version, equal to every other one: the version's id tells them apart."""

    __slots__ = ("openapi", "streams")

    def __init__(self, openapi: dict[str, Any], streams: bool) -> None:
        self.openapi, self.streams = openapi, streams

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Document)

    def __hash__(self) -> int:
        return 0


def interface(version: Version) -> Interface:
    """Parsed once; versions never change."""
    return _interface(version.id, _Document(version.openapi_schema, version.recipe.streaming))


async def kind_of(request: Request, prediction: Prediction) -> OutputKind:
    """What the output of a prediction's version is; unknown where the reader may not see the version any more."""
    owner, _, name = prediction.model.partition("/")
    try:
        version = await request.services.models.version(request.caller, owner, name, prediction.version)
    except NotFound:
        return UNKNOWN
    return interface(version).input.output_kind


def type_name(field: Field) -> str:
    """`string`, `file`, `array of files`, …: for tables."""
    if field.secret:
        return "secret"
    if field.file:
        return "file"
    if field.any_of:
        return " or ".join(dict.fromkeys(type_name(variant) for variant in field.any_of))
    if field.type == "array":
        return f"array of {type_name(field.items)}s" if field.items is not None and field.items.type else "array"
    return field.type or "any"
