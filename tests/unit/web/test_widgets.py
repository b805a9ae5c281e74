"""Inputs as form controls, and posts as inputs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from hearth.domain.schema import InputSchema
from hearth.web.forms import Form, Posted
from hearth.web.snippets import LocalFile
from hearth.web.widgets import Control, Widget, control_of, given, limits, widgets

FIELDS: dict[str, dict[str, Any]] = {
    "prompt": {"type": "string", "x-order": 0},
    "word": {"type": "string", "pattern": "^[a-z]+$", "x-order": 1},
    "whole": {"type": "integer", "minimum": 0, "maximum": 10, "x-order": 2},
    "number": {"type": "number", "x-order": 3},
    "flag": {"type": "boolean", "default": False, "x-order": 4},
    "colour": {"type": "string", "enum": ["red", "green"], "x-order": 5},
    "size": {"type": "integer", "enum": [1, 2], "x-order": 6},
    "image": {"type": "string", "format": "uri", "x-order": 7},
    "images": {"type": "array", "items": {"type": "string", "format": "uri"}, "x-order": 8},
    "words": {"type": "array", "items": {"type": "string"}, "x-order": 9},
    "wholes": {"type": "array", "items": {"type": "integer"}, "x-order": 10},
    "mapping": {"type": "object", "x-order": 11},
    "secret": {"type": "string", "format": "password", "x-cog-secret": True, "x-order": 12},
    "either": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-order": 13},
}


def schema(**fields: dict[str, Any]) -> InputSchema:
    components = {"Input": {"type": "object", "properties": fields or FIELDS}}
    return InputSchema.parse({"components": {"schemas": components}})


def test_each_type_has_its_control() -> None:
    found = {field.name: control_of(field).value for field in schema().fields}
    assert found == {
        "prompt": "text", "word": "line", "whole": "number", "number": "number", "flag": "check", "colour": "select",
        "size": "select", "image": "file", "images": "files", "words": "lines", "wholes": "lines", "mapping": "json",
        "secret": "secret", "either": "json",
    }  # fmt: skip


def posted(made: list[Widget]) -> Form:
    """What a browser sends of an untouched form."""
    form = Form()
    for widget in made:
        if widget.control is Control.CHECK:
            if widget.checked:
                form.add(widget.name, "true")
        else:
            form.add(widget.name, widget.value.replace("\n", "\r\n"))
    return form


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)
LINE = TEXT.filter(lambda text: text.strip() and len(text.splitlines()) == 1)
INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "prompt": TEXT,
        "whole": st.integers(0, 10),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "colour": st.sampled_from(["red", "green"]),
        "size": st.sampled_from([1, 2]),
        "image": st.just("https://example.com/a.png"),
        "images": st.lists(st.just("https://example.com/a.png"), min_size=1),
        "words": st.lists(LINE, min_size=1),
        "wholes": st.lists(st.integers(-100, 100), min_size=1),
        "mapping": st.dictionaries(TEXT, st.integers() | TEXT),
        "either": st.integers() | TEXT,
    },
)


@examples(INPUTS, st.booleans())
async def test_what_stands_in_a_form_is_what_it_sends(input: dict[str, Any], flag: bool) -> None:
    input = {**input, "flag": flag}
    found = await given(schema(), posted(widgets(schema(), input, {}, "https://x")), None)
    assert found.errors == {}
    assert found.input == input


async def test_an_empty_form_sends_nothing_but_its_boxes() -> None:
    made = widgets(schema(), {}, {}, "https://x")
    assert (await given(schema(), posted(made), None)).input == {"flag": False}


async def test_text_that_was_emptied_is_sent_where_a_default_would_come_back() -> None:
    known = schema(a={"type": "string", "default": "x"}, b={"type": "string"})
    form = Form()
    form.add("in.a", "")
    form.add("in.b", "")
    assert (await given(known, form, None)).input == {"a": ""}


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("whole", "1.5", "whole number"),
        ("number", "much", "must be a number"),
        ("mapping", "{", "not json"),
        ("wholes", "1\nx", "whole number"),
    ],
)
async def test_what_cannot_be_read_is_said_beside_its_field(field: str, text: str, sentence: str) -> None:
    form = Form()
    form.add(f"in.{field}", text)
    assert sentence in (await given(schema(), form, None)).errors[field].lower()


def file(name: str) -> Posted:
    return Posted(name=name, content_type=None, size=1, content=io.BytesIO(b"x"))


async def store(posted: Posted) -> str:
    return f"hearth-file:{posted.name}"


async def test_files_are_stored_and_stand_before_addresses() -> None:
    form = Form()
    form.add("in.image", "https://example.com/a.png")
    form.add("in.images", "https://example.com/b.png")
    form.files = {"file.image": [file("c.png")], "file.images": [file("d.png"), file("e.png")]}
    found = (await given(schema(), form, store)).input
    assert found["image"] == "hearth-file:c.png"
    assert found["images"] == ["https://example.com/b.png", "hearth-file:d.png", "hearth-file:e.png"]


async def test_json_mode_takes_the_document_and_the_files_it_names() -> None:
    form = Form()
    form.add("mode", "json")
    form.add("json", json.dumps({"prompt": "@c.png", "image": "@c.png", "other": 1}))
    form.files = {"file.image": [file("c.png")]}
    assert (await given(schema(), form, store)).input == {"prompt": "@c.png", "image": "hearth-file:c.png", "other": 1}
    shown = (await given(schema(), form, None)).input
    assert isinstance(shown["image"], LocalFile)
    assert not isinstance(shown["prompt"], LocalFile)


@pytest.mark.parametrize("text", ["{", "[1]", "1"])
async def test_json_mode_wants_an_object(text: str) -> None:
    form = Form()
    form.add("mode", "json")
    form.add("json", text)
    assert "" in (await given(schema(), form, None)).errors


def test_secrets_are_never_filled_in() -> None:
    made = {widget.field.name: widget for widget in widgets(schema(), {"secret": "abc"}, {}, "https://x")}
    assert made["secret"].value == ""


def test_bounds_and_defaults_are_told() -> None:
    (field,) = schema(a={"type": "integer", "default": 3, "minimum": 0, "maximum": 10}).fields
    assert limits(field) == "Default: 3 · 0 to 10"
