"""A version's input schema, parsed once and asked for every prediction; and what its output looks like.

The service checks and normalises with `check`, stores the result, and the engine hands `known(input)` to
the model: keys that the schema does not name are kept in the record and go no further.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hearth.domain.field import Check, Field, Json, Refused, compile_check, parse_field, plain, resolve
from hearth.errors import InvalidField, InvalidInput


class OutputKind(msgspec.Struct, frozen=True, kw_only=True):
    """What a model returns, as far as the platform treats it differently."""

    is_iterator: bool = False
    """Items come one by one; the output is the list of them."""
    concatenate: bool = False
    """The items are text that reads on."""
    has_files: bool = False
    """A file can stand somewhere in the output."""


class InputSchema:
    """The input of one version. Immutable; share it freely."""

    __slots__ = (
        "_checks",
        "_nulls",
        "fields",
        "file_fields",
        "keys",
        "output_kind",
        "required",
        "secret_fields",
    )

    def __init__(self, fields: tuple[Field, ...], output_kind: OutputKind) -> None:
        self.fields = fields
        """In the order of the form."""
        self.output_kind = output_kind
        self.keys = frozenset(f.name for f in fields)
        self.required = tuple(f.name for f in fields if f.required)
        self.file_fields = frozenset(f.name for f in fields if f.holds_files)
        self.secret_fields = frozenset(f.name for f in fields if f.holds_secrets)
        self._checks: dict[str, Check] = {f.name: compile_check(f) for f in fields}
        self._nulls = frozenset(f.name for f in fields if f.required and f.nullable)

    @classmethod
    def parse(cls, openapi: Mapping[str, Any], *, train: bool = False) -> InputSchema:
        """From a version's OpenAPI document: of its predictions, or of its trainings. A document without an Input
        component has no fields."""
        components = (openapi.get("components") or {}).get("schemas") or {}
        kind = "Training" if train else ""
        found = resolve(components.get(f"{kind}Input"), components)
        required = set(found.get("required") or ())
        fields = [
            parse_field(name, schema, components, required=name in required, position=position)
            for position, (name, schema) in enumerate((found.get("properties") or {}).items())
        ]
        fields.sort(key=lambda f: f.order)
        return cls(tuple(fields), _output_kind(components.get(f"{kind}Output"), components))

    def check(self, input: Any) -> dict[str, Any]:
        """The input as it is stored and run: coerced to the schema's types, null for an optional field left
        out, unknown keys kept. Raises InvalidInput with every problem that was found."""
        if not isinstance(input, dict):
            raise InvalidInput((_not_an_object(input),))
        problems: list[InvalidField] = []
        changed: dict[str, Any] | None = None
        checks = self._checks
        for name in self.required:
            if name not in input:
                problems.append(_required(name))
        for name, value in input.items():
            if value is None and name in checks:
                if name in self._nulls:
                    continue
                if name in self.required:
                    problems.append(_required(name))
                    continue
                changed = dict(input) if changed is None else changed
                del changed[name]
                continue
            try:
                new = checks.get(name, plain)(value)
            except Refused as refused:
                problems += [InvalidField(p.type, f"input.{name}{p.path}", p.description) for p in refused.problems]
                continue
            if new is not value:
                changed = dict(input) if changed is None else changed
                changed[name] = new
        if problems:
            raise InvalidInput(tuple(problems))
        return input if changed is None else changed

    def accepts(self, input: Any) -> bool:
        """Whether this input was meant for this schema: every key known, every required one there, all valid."""
        if not isinstance(input, dict) or not self.keys.issuperset(input):
            return False
        try:
            self.check(input)
        except InvalidInput:
            return False
        return True

    def known(self, input: dict[str, Any]) -> dict[str, Any]:
        """What the model is given of a stored input."""
        if self.keys.issuperset(input):
            return input
        return {name: value for name, value in input.items() if name in self.keys}


def _required(name: str) -> InvalidField:
    return InvalidField("required", "input", f"{name} is required")


def _not_an_object(input: Any) -> InvalidField:
    if input is None:
        return InvalidField("required", "input", "input is required")
    return InvalidField("invalid_type", "input", "Invalid type. Expected: object")


def _output_kind(schema: Any, components: Json) -> OutputKind:
    found = resolve(schema, components)
    return OutputKind(
        is_iterator=found.get("x-cog-array-type") == "iterator",
        concatenate=found.get("x-cog-array-display") == "concatenate",
        has_files=_names_files(found, components, 0),
    )


def _names_files(schema: Any, components: Json, depth: int) -> bool:
    found = resolve(schema, components, depth)
    if found.get("format") == "uri":
        return True
    inner = [found.get("items"), found.get("additionalProperties")]
    inner += (found.get("properties") or {}).values()
    inner += found.get("anyOf") or ()
    return any(_names_files(part, components, depth + 1) for part in inner if isinstance(part, dict))
