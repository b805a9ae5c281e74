"""A version's inputs as form controls: which control a field gets, what stands in it, and what a post says.

Sources: replicate-platform.md 8.4 (type to control). The form always carries every field, so an empty one means
that nothing is sent; JSON mode carries one document instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec

from hearth.domain.field import Field
from hearth.domain.schema import InputSchema
from hearth.web.forms import Form, Posted
from hearth.web.links import with_urls
from hearth.web.snippets import LocalFile

PREFIX = "in."
FILE_PREFIX = "file."
CHOSEN_PREFIX = "chosen."
"""Names of files that a script has left out of the post, because only code is wanted."""
MASK = "**********"
SHORT = 80
"""Characters up to which a text gets one line."""

Upload = Callable[[Posted], Awaitable[str]]
"""Stores a posted file; returns what stands for it in an input."""


class Control(StrEnum):
    TEXT = "text"
    LINE = "line"
    NUMBER = "number"
    CHECK = "check"
    SELECT = "select"
    FILE = "file"
    FILES = "files"
    LINES = "lines"
    SECRET = "secret"
    JSON = "json"


class Widget(msgspec.Struct, frozen=True, kw_only=True):
    field: Field
    control: Control
    value: str = ""
    checked: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    step: str = "any"
    slider: bool = False
    rows: int = 1
    accept: str = ""
    error: str = ""

    @property
    def about(self) -> str:
        """Its description, but for what Python says of every enumeration."""
        return "" if self.field.description == "An enumeration." else self.field.description

    @property
    def id(self) -> str:
        return f"in-{self.field.name}"

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.field.name}"


def control_of(field: Field) -> Control:
    scalars = ("string", "integer", "number", "boolean")
    if field.choices is not None and field.type in scalars:
        return Control.SELECT
    if field.secret:
        return Control.SECRET
    if field.file or any(variant.file for variant in field.any_of):
        return Control.FILE
    match field.type:
        case "boolean":
            return Control.CHECK
        case "integer" | "number":
            return Control.NUMBER
        case "string":
            brief = field.pattern is not None or (field.max_length is not None and field.max_length <= SHORT)
            return Control.LINE if brief else Control.TEXT
        case "array" if field.items is not None:
            if field.items.file:
                return Control.FILES
            return Control.LINES if field.items.type in ("string", "integer", "number") else Control.JSON
        case _:
            return Control.JSON


def widgets(schema: InputSchema, input: dict[str, Any], errors: dict[str, str], origin: str) -> list[Widget]:
    """In the order of the form. `input` is what stands in it, where it says nothing the defaults do."""
    made: list[Widget] = []
    texts = 0
    for field in schema.fields:
        control = control_of(field)
        texts += control is Control.TEXT
        value = input.get(field.name, field.default if field.has_default else None)
        made.append(_widget(field, control, value, errors.get(field.name, ""), origin, first=texts == 1))
    return made


def _widget(field: Field, control: Control, value: Any, error: str, origin: str, *, first: bool) -> Widget:
    value = with_urls(value, origin)
    whole = field.type == "integer"
    bounded = field.minimum is not None and field.maximum is not None
    text = "" if control is Control.SECRET or value is None else _text(control, value)
    if control is Control.LINES and isinstance(value, list) and any("\n" in str(item) for item in value):
        control, text = Control.JSON, _pretty(value)
    return Widget(
        field=field,
        control=control,
        value=text,
        checked=value is True,
        choices=tuple((_choice(c), str(c)) for c in field.choices or ()),
        step="1" if whole else "any",
        slider=control is Control.NUMBER and bounded,
        rows=3 if first and control is Control.TEXT else 1,
        accept=_accept(field),
        error=error,
    )


def _accept(field: Field) -> str:
    return field.accept or (field.items.accept if field.items is not None else None) or ""


def _text(control: Control, value: Any) -> str:
    if control in (Control.LINES, Control.FILES) and isinstance(value, list):
        return "\n".join(str(item) for item in value)
    if control is Control.JSON:
        return _pretty(value)
    if control is Control.SELECT:
        return _choice(value)
    return value if isinstance(value, str) else json.dumps(value)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _choice(value: Any) -> str:
    """Choices are told apart by their JSON: 1 is not "1"."""
    return json.dumps(value, ensure_ascii=False)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a post says: an input, and what could not be read of it, by field."""

    input: dict[str, Any]
    errors: dict[str, str]


async def given(schema: InputSchema, form: Form, upload: Upload | None) -> Given:
    """Without `upload`, posted files stand for themselves by name, as for the snippets."""
    if form.get("mode") == "json":
        return await _given_json(schema, form, upload)
    input: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in schema.fields:
        control = control_of(field)
        if control in (Control.FILE, Control.FILES):
            value = await _files(field, control, form, upload)
        else:
            try:
                value = _value(field, control, form)
            except ValueError as error:
                errors[field.name] = str(error)
                continue
        if value is not None:
            input[field.name] = value
    return Given(input=input, errors=errors)


async def _given_json(schema: InputSchema, form: Form, upload: Upload | None) -> Given:
    try:
        found = json.loads(form.text("json") or "{}")
    except ValueError as error:
        return Given(input={}, errors={"": f"This is not JSON: {error}"})
    if not isinstance(found, dict):
        return Given(input={}, errors={"": "The input must be a JSON object: { … }."})
    for field in schema.fields:
        if not field.holds_files or field.name not in found:
            continue
        posted = {f"@{file.name}": file for file in form.files.get(f"{FILE_PREFIX}{field.name}", [])}

        async def resolved(value: Any, posted: dict[str, Posted] = posted) -> Any:
            if isinstance(value, list):
                return [await resolved(item) for item in value]
            if isinstance(value, str) and value in posted and upload is not None:
                return await upload(posted[value])
            return LocalFile(value) if isinstance(value, str) and value.startswith("@") else value

        found[field.name] = await resolved(found[field.name])
    return Given(input=found, errors={})


async def _files(field: Field, control: Control, form: Form, upload: Upload | None) -> Any:
    posted = form.files.get(f"{FILE_PREFIX}{field.name}", [])
    sent = [await upload(file) if upload else LocalFile(f"@{file.name}") for file in posted]
    sent += [LocalFile(f"@{name}") for name in form.fields.get(f"{CHOSEN_PREFIX}{field.name}", [])]
    text = form.text(f"{PREFIX}{field.name}") or ""
    if control is Control.FILE:
        return sent[0] if sent else (text.strip() or None)
    named = [line.strip() for line in text.split("\n") if line.strip()]
    return [*named, *sent] or None


def _value(field: Field, control: Control, form: Form) -> Any:
    """What a control says; None if it says nothing. Raises ValueError with a sentence."""
    if control is Control.CHECK:
        return form.has(f"{PREFIX}{field.name}")
    text = form.text(f"{PREFIX}{field.name}")
    if text is None:
        return None
    if control in (Control.TEXT, Control.LINE):
        kept = text or (field.has_default and field.default)
        return text if kept else None
    if not text.strip():
        return None
    match control:
        case Control.NUMBER:
            return _number(text, whole=field.type == "integer")
        case Control.LINES:
            kind = field.items.type if field.items is not None else "string"
            lines = [line for line in text.split("\n") if line.strip()]
            return lines if kind == "string" else [_number(line, whole=kind == "integer") for line in lines]
        case Control.SELECT | Control.JSON:
            return _json(field, text)
    return text


def _json(field: Field, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        if any(variant.type == "string" for variant in field.any_of) or field.type is None:
            return text  # any JSON passes, and text is some
        raise ValueError(f"This is not JSON: {error}") from None


def _number(text: str, *, whole: bool) -> int | float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        raise ValueError("Must be a whole number" if whole else "Must be a number") from None


def limits(field: Field) -> str:
    """Default and bounds in a line, as far as the schema has them."""
    parts = []
    if field.has_default and field.default not in (None, "") and field.type != "boolean":
        text = field.default if isinstance(field.default, str) else json.dumps(field.default, ensure_ascii=False)
        text = text.replace("\n", " ")
        parts.append(f"Default: {text if len(text) <= SHORT else text[:SHORT] + '…'}")
    if field.minimum is not None or field.maximum is not None:
        least = "" if field.minimum is None else f"{field.minimum:g}"
        most = "" if field.maximum is None else f"{field.maximum:g}"
        parts.append(f"{least} to {most}" if least and most else f"at least {least}" if least else f"at most {most}")
    if field.min_length is not None or field.max_length is not None:
        few, many = field.min_length or 0, field.max_length
        parts.append(f"{few} to {many} characters" if many is not None else f"at least {few} characters")
    return " · ".join(parts)


def slider_step(field: Field) -> str:
    """Whole numbers, or about two hundred steps from end to end."""
    if field.type == "integer":
        return "1"
    span = (field.maximum or 0) - (field.minimum or 0)
    return f"{10 ** round(math.log10(span / 200)):g}" if span > 0 else "any"
