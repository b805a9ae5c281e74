"""One field of a model's input: what its schema says, and the check made from it once.

Sources: cog-runtime.md 6.2 (type to schema); replicate-platform.md 5.1 and 8.3 (the shape of refusals,
coercion as Cog's pydantic did it). Kinds and sentences follow the validator that Replicate's API shows.
No sentence repeats a value, because a value may be secret or large.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import regex  # type: ignore[import-untyped]  # its stubs are a package of their own

from hearth.domain.file import parse_reference

Json = dict[str, Any]
Check = Callable[[Any], Any]
"""Returns the value as the model shall have it; raises Refused."""

FILE_SENTENCE = (
    "Does not match format 'uri'. Send an http:// or https:// URL, a data: URI, "
    "or the URL of a file uploaded to /v1/files"
)
ANY_JSON = "x-hearth-any"
"""Next to `"type": "object"`, which then is said only for Cog's sake."""
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1
"""The integers that our JSON codec writes."""

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_NUMBER = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_URL = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_DATA = re.compile(r"data:[^,]{0,500},", re.IGNORECASE)
_PATTERN_TIME = 0.05
"""Seconds of matching; a value that takes longer does not match."""
_REF_DEPTH = 20
"""References deeper than this are taken for a cycle, and anything passes."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """An input as its schema describes it. `type` is None where any JSON passes."""

    name: str
    type: str | None = None
    title: str = ""
    description: str = ""
    order: int = 0
    required: bool = False
    nullable: bool = False
    has_default: bool = False
    default: Any = None
    choices: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    file: bool = False
    secret: bool = False
    deprecated: bool = False
    accept: str | None = None
    items: Field | None = None
    any_of: tuple[Field, ...] = ()

    @property
    def any_json(self) -> bool:
        return self.type is None and not self.any_of and self.choices is None

    @property
    def holds_files(self) -> bool:
        return self.file or (self.items is not None and self.items.file) or any(f.holds_files for f in self.any_of)

    @property
    def holds_secrets(self) -> bool:
        return self.secret or (self.items is not None and self.items.secret)


class Problem(NamedTuple):
    """What is wrong, where in the field (`.0` for the first item), and how it is said."""

    type: str
    path: str
    description: str


class Refused(Exception):
    def __init__(self, *problems: Problem) -> None:
        self.problems = problems


def resolve(schema: Any, components: Json, depth: int = 0) -> Json:
    """`schema` with `$ref` and `allOf` merged in; what stands next to them wins."""
    if not isinstance(schema, dict) or depth > _REF_DEPTH:
        return {}
    if "$ref" not in schema and "allOf" not in schema:
        return schema
    merged: Json = {}
    parts = list(schema.get("allOf") or ())
    if "$ref" in schema:
        parts.append(components.get(str(schema["$ref"]).rsplit("/", 1)[-1]))
    for part in parts:
        merged.update(resolve(part, components, depth + 1))
    merged.update({k: v for k, v in schema.items() if k not in ("$ref", "allOf")})
    return merged


def parse_field(name: str, schema: Any, components: Json, *, required: bool = False, position: int = 0) -> Field:
    """A property of the Input component (or an item or variant of one)."""
    found = resolve(schema, components)
    if found.get(ANY_JSON):
        found = {k: v for k, v in found.items() if k != "type"}
    type_, nullable = found.get("type"), bool(found.get("nullable", False))
    if isinstance(type_, list):
        nullable = nullable or "null" in type_
        kinds = [t for t in type_ if t != "null"]
        if len(kinds) != 1:
            found = {k: v for k, v in found.items() if k != "type"} | {"anyOf": [{"type": t} for t in kinds]}
        type_ = kinds[0] if len(kinds) == 1 else None
    variants = [resolve(v, components) for v in found.get("anyOf") or ()]
    nullable = nullable or any(v.get("type") == "null" or v.get("nullable") for v in variants)
    variants = [v for v in variants if v.get("type") != "null"]
    if len(variants) == 1:
        return parse_field(
            name,
            {k: v for k, v in found.items() if k != "anyOf"} | variants[0] | {"nullable": nullable},
            components,
            required=required,
            position=position,
        )
    choices = found.get("enum")
    order = found.get("x-order")
    return Field(
        name=name,
        type=type_ if isinstance(type_, str) else None,
        title=str(found.get("title") or ""),
        description=str(found.get("description") or ""),
        order=order if isinstance(order, int) else position,
        required=required,
        nullable=nullable,
        has_default="default" in found,
        default=found.get("default"),
        choices=tuple(choices) if isinstance(choices, list) else None,
        minimum=found.get("minimum"),
        maximum=found.get("maximum"),
        min_length=found.get("minLength"),
        max_length=found.get("maxLength"),
        pattern=found.get("pattern"),
        file=type_ == "string" and found.get("format") == "uri",
        secret=bool(found.get("x-cog-secret", False)),
        deprecated=bool(found.get("deprecated", False)),
        accept=found.get("x-cog-accept"),
        items=parse_field(name, found["items"], components) if type_ == "array" and "items" in found else None,
        any_of=tuple(parse_field(name, v, components) for v in variants),
    )


def compile_check(field: Field, *, coerce: bool = True) -> Check:
    """The check for values that are not null. Without `coerce` only values of the very type pass."""
    if field.any_of:
        return _union(field)
    match field.type:
        case "string":
            check = _string(field, coerce)
        case "integer":
            check = _number(field, coerce, whole=True)
        case "number":
            check = _number(field, coerce, whole=False)
        case "boolean":
            check = _boolean(coerce)
        case "array":
            check = _array(field, coerce)
        case "object":
            check = _object
        case _:
            check = plain
    return _chosen(field, check) if field.choices is not None else check


def plain(value: Any) -> Any:
    """Any JSON. Refuses what JSON cannot say: NaN, infinities, integers beyond 64 bits."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise Refused(Problem("number", "", "Must be a finite number"))
        elif isinstance(item, int) and not _MIN_INT <= item <= _MAX_INT:
            raise Refused(Problem("number", "", "Must fit in 64 bits"))
    return value


def _wrong(expected: str, value: Any) -> Refused:
    return Refused(Problem("invalid_type", "", f"Invalid type. Expected: {expected}, given: {_kind(value)}"))


def _kind(value: Any) -> str:
    names: dict[type, str] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


def _string(field: Field, coerce: bool) -> Check:
    shortest, longest = field.min_length, field.max_length
    pattern = _pattern(field.pattern)
    is_file = field.file

    def check(value: Any) -> Any:
        if type(value) is not str:
            if not coerce or is_file:
                raise _wrong("string", value)
            value = _text(value)
        if is_file and not (_URL.match(value) or _DATA.match(value) or parse_reference(value)):
            raise Refused(Problem("format", "", FILE_SENTENCE))
        if shortest is not None and len(value) < shortest:
            text = f"String length must be greater than or equal to {shortest}"
            raise Refused(Problem("string_gte", "", text))
        if longest is not None and len(value) > longest:
            text = f"String length must be less than or equal to {longest}"
            raise Refused(Problem("string_lte", "", text))
        if pattern is not None and not _found(pattern, value):
            raise Refused(Problem("pattern", "", f"Does not match pattern '{field.pattern}'"))
        return value

    return check


def _text(value: Any) -> str:
    """A scalar as its JSON text, as Cog's pydantic made strings of numbers."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(plain(value))
        case float():
            return repr(plain(value))
        case _:
            raise _wrong("string", value)


def _pattern(text: str | None) -> regex.Pattern[str] | None:
    """`regex` reads what Python and JavaScript write and, unlike `re`, gives up in time: a pattern is the model
    author's and the value is the caller's, and together they could hold the whole server. What it does not
    read is left to the model's own check."""
    if not text:
        return None
    try:
        return regex.compile(text)
    except regex.error:
        return None


def _found(pattern: regex.Pattern[str], value: str) -> bool:
    try:
        return pattern.search(value, timeout=_PATTERN_TIME) is not None
    except TimeoutError:
        return False


def _number(field: Field, coerce: bool, *, whole: bool) -> Check:
    least, most = field.minimum, field.maximum
    expected = "integer" if whole else "number"
    spelling = _INTEGER if whole else _NUMBER

    def check(value: Any) -> Any:
        kind = type(value)
        if kind is str and coerce and spelling.fullmatch(value):
            value = int(value) if whole else float(value)
            kind = type(value)
        if kind is float:
            if not math.isfinite(value):
                raise Refused(Problem("number", "", "Must be a finite number"))
            if whole:
                if not coerce or not value.is_integer():
                    raise _wrong(expected, value)
                value = int(value)
        elif kind is not int:
            raise _wrong(expected, value)
        if type(value) is int and not _MIN_INT <= value <= _MAX_INT:
            raise Refused(Problem("number", "", "Must fit in 64 bits"))
        if least is not None and value < least:
            raise Refused(Problem("number_gte", "", f"Must be greater than or equal to {least}"))
        if most is not None and value > most:
            raise Refused(Problem("number_lte", "", f"Must be less than or equal to {most}"))
        return value

    return check


def _boolean(coerce: bool) -> Check:
    def check(value: Any) -> Any:
        if type(value) is bool:
            return value
        if coerce and type(value) is str and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        raise _wrong("boolean", value)

    return check


def _array(field: Field, coerce: bool) -> Check:
    item = compile_check(field.items, coerce=coerce) if field.items is not None else plain
    nulls = field.items is None or field.items.nullable or field.items.any_json

    def check(value: Any) -> Any:
        if not isinstance(value, list):
            raise _wrong("array", value)
        found, problems = [], []
        for index, entry in enumerate(value):
            try:
                if entry is None and not nulls:
                    raise _wrong(str(field.items.type if field.items else "value"), entry)
                found.append(entry if entry is None else item(entry))
            except Refused as refused:
                problems += [p._replace(path=f".{index}{p.path}") for p in refused.problems]
        if problems:
            raise Refused(*problems)
        return value if all(map(_same, found, value)) else found

    return check


def _same(a: Any, b: Any) -> bool:
    return a is b


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise _wrong("object", value)
    return plain(value)


def _chosen(field: Field, check: Check) -> Check:
    choices = field.choices or ()
    allowed = ", ".join(json.dumps(c, ensure_ascii=False) for c in choices)
    known = {(type(c), c) for c in choices if isinstance(c, str | int | float | bool)}
    known |= {(float, float(c)) for c in choices if type(c) is int and field.type == "number"}
    known |= {(int, int(c)) for c in choices if type(c) is float and c.is_integer()}

    def chosen(value: Any) -> Any:
        value = check(value)
        hashable = isinstance(value, str | int | float | bool)
        if (type(value), value) not in known if hashable else value not in choices:
            raise Refused(Problem("enum", "", f"{field.name} must be one of the following: {allowed}"))
        return value

    return chosen


def _union(field: Field) -> Check:
    """Exact types first, so that "3" stays a string where a string may stand; then with coercion."""
    variants = [compile_check(f, coerce=c) for c in (False, True) for f in field.any_of]
    names = ", ".join(dict.fromkeys(f.type or "any" for f in field.any_of))

    def check(value: Any) -> Any:
        for variant in variants:
            try:
                return variant(value)
            except Refused:
                continue
        text = f"Must validate at least one schema (anyOf): {names}, given: {_kind(value)}"
        raise Refused(Problem("number_any_of", "", text))

    return check
