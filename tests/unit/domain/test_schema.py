"""InputSchema: what passes, what becomes of it, and how refusals read."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from hearth.domain.field import FILE_SENTENCE
from hearth.domain.schema import InputSchema
from hearth.errors import InvalidField, InvalidInput


def schema(
    properties: dict[str, Any], required: tuple[str, ...] = (), output: Any = None, **components: Any
) -> InputSchema:
    return InputSchema.parse(document(properties, required, output, **components))


def document(
    properties: dict[str, Any], required: tuple[str, ...] = (), output: Any = None, **components: Any
) -> dict[str, Any]:
    found = {"type": "object", "title": "Input", "properties": properties, "required": list(required)}
    return {"components": {"schemas": {"Input": found, "Output": output or {"type": "string"}, **components}}}


def refused(found: InputSchema, input: Any) -> tuple[InvalidField, ...]:
    with pytest.raises(InvalidInput) as caught:
        found.check(input)
    return caught.value.fields


def test_a_missing_required_input_reads_as_on_replicate() -> None:
    found = schema({"prompt": {"type": "string"}}, ("prompt",))
    with pytest.raises(InvalidInput) as caught:
        found.check({})
    assert caught.value.message == "- input: prompt is required\n"
    assert caught.value.fields == (InvalidField("required", "input", "prompt is required"),)


def test_all_problems_are_told_at_once() -> None:
    found = schema({"a": {"type": "string"}, "n": {"type": "integer", "maximum": 4}, "b": {"type": "boolean"}}, ("a",))
    assert [(f.type, f.field) for f in refused(found, {"n": 5, "b": "maybe"})] == [
        ("required", "input"),
        ("number_lte", "input.n"),
        ("invalid_type", "input.b"),
    ]


@pytest.mark.parametrize("input", [None, [], "x", 3])
def test_an_input_that_is_no_object_is_refused(input: Any) -> None:
    assert refused(schema({}), input)[0].field == "input"


def test_an_input_that_needs_no_change_is_returned_as_it_is() -> None:
    given = {"prompt": "a", "n": 3, "tags": ["x"]}
    found = schema(
        {
            "prompt": {"type": "string"},
            "n": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
        }
    )
    assert found.check(given) is given


def test_null_for_an_optional_input_is_absent() -> None:
    found = schema({"seed": {"type": "integer"}, "n": {"type": "integer", "nullable": True}})
    given = {"seed": None, "n": None}
    assert found.check(given) == {}
    assert given == {"seed": None, "n": None}


def test_null_for_a_required_input_is_missing() -> None:
    assert refused(schema({"a": {"type": "string"}}, ("a",)), {"a": None})[0].description == "a is required"


def test_null_for_a_required_nullable_union_stays() -> None:
    union = {"anyOf": [{"type": "string", "nullable": True}, {"type": "integer", "nullable": True}]}
    assert schema({"a": {**union, "nullable": True}}, ("a",)).check({"a": None}) == {"a": None}


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("integer", "3", 3),
        ("integer", " -3 ", -3),
        ("integer", 3.0, 3),
        ("number", "1.5", 1.5),
        ("number", "2", 2.0),
        ("number", 2, 2),
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("string", 3, "3"),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
    ],
)
def test_values_are_coerced(type_: str, value: Any, expected: Any) -> None:
    found = schema({"x": {"type": type_}}).check({"x": value})["x"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("integer", True),
        ("integer", 3.5),
        ("integer", "3.5"),
        ("integer", "3_0"),
        ("integer", ""),
        ("integer", "٣"),
        ("integer", 1e300),
        ("integer", 2**64),
        ("integer", "9" * 5000),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "1e999"),
        ("number", math.nan),
        ("number", math.inf),
        ("number", False),
        ("number", "1_0"),
        ("boolean", 1),
        ("boolean", "yes"),
        ("string", ["a"]),
        ("string", {}),
        ("string", math.nan),
        ("array", "a"),
        ("array", {"0": 1}),
        ("object", "{}"),
        ("object", []),
        ("object", {"a": [math.inf]}),
        ("object", {"a": 2**65}),
    ],
)
def test_wrong_things_are_not_coerced(type_: str, value: Any) -> None:
    assert len(refused(schema({"x": {"type": type_}}), {"x": value})) == 1


@pytest.mark.parametrize(
    ("rules", "value", "sentence"),
    [
        ({"type": "integer", "minimum": 1}, 0, "Must be greater than or equal to 1"),
        ({"type": "number", "maximum": 1}, "1.01", "Must be less than or equal to 1"),
        ({"type": "string", "minLength": 2}, "a", "String length must be greater than or equal to 2"),
        ({"type": "string", "maxLength": 2}, "abc", "String length must be less than or equal to 2"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A", "Does not match pattern '^[a-z]+$'"),
        ({"type": "string", "pattern": "^(?<x>b)$"}, "a", "Does not match pattern '^(?<x>b)$'"),
        ({"type": "integer"}, "x", "Invalid type. Expected: integer, given: string"),
    ],
)
def test_constraints(rules: dict[str, Any], value: Any, sentence: str) -> None:
    assert refused(schema({"x": rules}), {"x": value})[0].description == sentence


def test_a_pattern_is_searched_and_not_anchored() -> None:
    assert schema({"x": {"type": "string", "pattern": "b"}}).check({"x": "abc"}) == {"x": "abc"}


def test_patterns_of_python_and_javascript_are_read() -> None:
    for pattern in ("^(?P<x>b)$", "^(?<x>b)$", r"^\p{L}$", r"^\u0062$"):
        found = schema({"x": {"type": "string", "pattern": pattern}})
        assert found.check({"x": "b"}) == {"x": "b"}
        assert refused(found, {"x": "1"})[0].type == "pattern"


def test_a_pattern_that_cannot_be_read_is_left_to_the_model() -> None:
    assert schema({"x": {"type": "string", "pattern": "("}}).check({"x": "1"}) == {"x": "1"}


def test_a_pattern_that_would_take_for_ever_is_no_match() -> None:
    found = schema({"x": {"type": "string", "pattern": "^(a|aa)+$"}})
    assert found.check({"x": "aaa"}) == {"x": "aaa"}
    assert refused(found, {"x": "a" * 60 + "b"})[0].type == "pattern"


def test_a_list_names_the_wrong_item() -> None:
    found = schema({"l": {"type": "array", "items": {"type": "integer"}}})
    assert found.check({"l": [1, "2", 3.0]}) == {"l": [1, 2, 3]}
    assert [f.field for f in refused(found, {"l": ["a", 1, None]})] == ["input.l.0", "input.l.2"]


def test_choices_are_references_to_enums() -> None:
    properties = {
        "size": {"allOf": [{"$ref": "#/components/schemas/size"}], "default": "s", "x-order": 0},
        "n": {"$ref": "#/components/schemas/n"},
    }
    found = schema(properties, size={"type": "string", "enum": ["s", "m"]}, n={"type": "integer", "enum": [1, 2]})
    assert found.check({"size": "m", "n": "2"}) == {"size": "m", "n": 2}
    problems = refused(found, {"size": "xl", "n": True})
    assert problems[0].description == 'size must be one of the following: "s", "m"'
    assert problems[1].type == "invalid_type"


def test_an_enum_without_a_type_does_not_mix_true_with_one() -> None:
    found = schema({"x": {"enum": [1, "a"]}})
    assert found.check({"x": 1}) == {"x": 1}
    assert refused(found, {"x": True})[0].type == "enum"
    assert refused(found, {"x": [1]})[0].type == "enum"


def test_a_union_prefers_the_exact_type() -> None:
    found = schema({"x": {"anyOf": [{"type": "integer"}, {"type": "string"}]}})
    assert found.check({"x": "3"}) == {"x": "3"}
    assert found.check({"x": 3.0}) == {"x": 3}
    assert refused(found, {"x": []})[0].type == "number_any_of"


def test_a_union_with_null_is_a_nullable_field() -> None:
    found = schema({"x": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "title": "X"}})
    assert found.fields[0].type == "integer"
    assert found.fields[0].nullable
    assert found.fields[0].title == "X"
    assert schema({"x": {"type": ["integer", "null"]}}).fields[0].type == "integer"


@pytest.mark.parametrize(
    "value",
    [
        "http://h/x.png",
        "HTTPS://h/x",
        "data:image/png;base64,AAAA",
        "data:,hi",
        "hearth-file:01234567890123456789012345/a.txt",
    ],
)
def test_files_are_urls(value: str) -> None:
    found = schema({"f": {"type": "string", "format": "uri"}})
    assert found.check({"f": value}) == {"f": value}


@pytest.mark.parametrize(
    "value",
    ["/etc/passwd", "file:///etc/passwd", "", "http://", "https:///x", "hearth-file:../x", "data:x", " http://h/"],
)
def test_other_strings_are_no_files(value: str) -> None:
    found = schema({"f": {"type": "string", "format": "uri"}})
    assert refused(found, {"f": value}) == (InvalidField("format", "input.f", FILE_SENTENCE),)


def test_a_number_is_no_file() -> None:
    assert refused(schema({"f": {"type": "string", "format": "uri"}}), {"f": 3})[0].type == "invalid_type"


def test_file_and_secret_fields_are_named() -> None:
    uri = {"type": "string", "format": "uri"}
    found = schema(
        {
            "a": uri,
            "b": {"type": "array", "items": uri},
            "c": {"type": "string", "x-cog-secret": True, "format": "password"},
            "d": {"type": "array", "items": {"type": "string", "x-cog-secret": True}},
            "e": {"type": "string"},
        }
    )
    assert found.file_fields == {"a", "b"}
    assert found.secret_fields == {"c", "d"}


def test_unknown_keys_are_kept_and_not_handed_to_the_model() -> None:
    found = schema({"a": {"type": "string"}})
    kept = found.check({"a": "x", "other": None})
    assert kept == {"a": "x", "other": None}
    assert found.known(kept) == {"a": "x"}
    assert refused(found, {"other": math.nan})[0].field == "input.other"


def test_accepts_asks_for_known_keys_only() -> None:
    found = schema({"a": {"type": "string"}, "n": {"type": "integer"}}, ("a",))
    assert found.accepts({"a": "x"})
    assert not found.accepts({"n": 1})
    assert not found.accepts({"a": "x", "other": 1})
    assert not found.accepts({"a": "x", "n": "one"})
    assert not found.accepts(None)


def test_fields_come_in_the_order_of_the_form() -> None:
    found = schema({"b": {"type": "string", "x-order": 1}, "a": {"type": "string", "x-order": 0}})
    assert [f.name for f in found.fields] == ["a", "b"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"type": "string"}, (False, False, False)),
        ({"type": "string", "format": "uri"}, (False, False, True)),
        (
            {
                "type": "array",
                "items": {"type": "string"},
                "x-cog-array-type": "iterator",
                "x-cog-array-display": "concatenate",
            },
            (True, True, False),
        ),
        ({"type": "object", "properties": {"a": {"$ref": "#/components/schemas/F"}}}, (False, False, True)),
        ({"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}, (False, False, True)),
        ({"$ref": "#/components/schemas/Loop"}, (False, False, False)),
    ],
)
def test_output_kinds(output: dict[str, Any], expected: tuple[bool, bool, bool]) -> None:
    kind = schema(
        {},
        output=output,
        F={"type": "string", "format": "uri"},
        Loop={"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Loop"}}},
    ).output_kind
    assert (kind.is_iterator, kind.concatenate, kind.has_files) == expected


def test_a_document_without_an_input_has_no_fields() -> None:
    found = InputSchema.parse({"openapi": "3.0.2"})
    assert found.fields == ()
    assert found.check({"x": 1}) == {"x": 1}


EVERYTHING = document(
    {
        "s": {"type": "string", "minLength": 1, "maxLength": 5},
        "p": {"type": "string", "pattern": "^[a-z0-9]*$"},
        "i": {"type": "integer", "minimum": -5, "maximum": 5},
        "x": {"type": "number", "minimum": 0},
        "b": {"type": "boolean"},
        "c": {"allOf": [{"$ref": "#/components/schemas/c"}]},
        "l": {"type": "array", "items": {"type": "integer"}},
        "t": {"type": "array", "items": {"type": "string"}},
        "o": {"type": "object"},
        "any": {},
        "u": {"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "array", "items": {"type": "number"}}]},
        "f": {"type": "string", "format": "uri"},
    },
    ("s",),
    c={"type": "integer", "enum": [1, 2, 3]},
)
SCHEMA = InputSchema.parse(EVERYTHING)
VALIDATOR = Draft7Validator(
    {"$ref": "#/components/schemas/Input", "components": EVERYTHING["components"]},
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10)
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["1", "-2", "3.0", "2.5", "true", "false", "nan", "http://h/x", "data:,x", "a"])
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=3), scalars, max_size=2)
names = st.sampled_from([f.name for f in SCHEMA.fields]) | st.text(max_size=3)


@given(st.dictionaries(names, values, max_size=5), st.text(min_size=1, max_size=5))
def test_whatever_passes_is_valid_by_the_schema_and_by_json(input: dict[str, Any], s: str) -> None:
    given_input = {"s": s, **input}
    try:
        checked = SCHEMA.check(given_input)
    except InvalidInput:
        return
    assert not list(VALIDATOR.iter_errors(checked))
    assert msgspec.json.decode(msgspec.json.encode(checked)) == checked
    assert SCHEMA.check(checked) == checked
    assert set(checked) <= set(given_input)


def ordinary(value: Any) -> bool:
    """Whether each number in it is finite and has one exact form as an integer or a double."""
    if isinstance(value, list | dict):
        return all(map(ordinary, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int | float) or abs(value) < 2**53


@given(st.sampled_from([f.name for f in SCHEMA.fields if not f.file]), values.filter(ordinary))
def test_what_is_valid_already_passes(name: str, value: Any) -> None:
    input = {"s": "a", name: value}
    if value is not None and not list(VALIDATOR.iter_errors(input)):
        assert SCHEMA.check(input).keys() == input.keys()
