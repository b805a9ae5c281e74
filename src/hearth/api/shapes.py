"""What a version's stream carries, read off its Output schema once and remembered: versions never change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec

from hearth.domain.model import Version


class StreamKind(StrEnum):
    TEXT = "text"
    FILES = "files"
    """Each event is a URL. Clients recognise such a stream by its path, `/v1/files/…`."""


class Shape(msgspec.Struct, frozen=True):
    stream: StreamKind | None
    """What `urls.stream` offers; None for plain outputs, which are not worth a stream."""
    iterator: bool
    """Output comes item by item, not whole at the end."""


UNKNOWN = Shape(None, False)


def shape_of(openapi_schema: dict[str, Any]) -> Shape:
    """Offered for iterators and for files: client-contract.md section 8."""
    schemas = openapi_schema.get("components", {}).get("schemas", {})
    output = _resolve(schemas.get("Output", {}), schemas)
    iterator = output.get("x-cog-array-type") == "iterator"
    item = _resolve(output.get("items", {}), schemas) if output.get("type") == "array" else output
    if item.get("type") == "string" and item.get("format") == "uri":
        return Shape(StreamKind.FILES, iterator)
    return Shape(StreamKind.TEXT if iterator else None, iterator)


def _resolve(schema: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema behind references, a single `allOf` or a nullable `anyOf`, a few steps deep."""
    for _ in range(8):
        if not isinstance(schema, dict):
            return {}
        choices = [
            s
            for s in schema.get("allOf") or schema.get("anyOf") or ()
            if not (isinstance(s, dict) and s.get("type") == "null")
        ]
        if "$ref" in schema:
            schema = schemas.get(str(schema["$ref"]).rsplit("/", 1)[-1])
        elif "type" not in schema and len(choices) == 1:
            schema = choices[0]
        else:
            return schema
    return {}


class Shapes:
    """Shapes by version id."""

    def __init__(self, load: Callable[[str], Awaitable[Version | None]], *, limit: int = 50_000) -> None:
        self._load = load
        self._limit = limit
        self._known: dict[str, Shape] = {}

    def known(self, version_id: str) -> Shape | None:
        """Without waiting: what is remembered."""
        return self._known.get(version_id)

    def learn(self, version: Version) -> Shape:
        """Remember a version that somebody has in hand."""
        if len(self._known) >= self._limit:
            self._known.clear()
        shape = self._known[version.id] = shape_of(version.openapi_schema)
        return shape

    async def of(self, version_id: str) -> Shape:
        """UNKNOWN for a version that is gone."""
        shape = self._known.get(version_id)
        if shape is None:
            version = await self._load(version_id)
            shape = self.learn(version) if version else UNKNOWN
        return shape
