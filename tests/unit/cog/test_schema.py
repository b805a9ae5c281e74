"""The OpenAPI document, row by row of the tables in cog-runtime.md 6.2 to 6.4.

The signatures are read by the static introspection here; tests/integration/cog holds the same rows against
the importing one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from hearth.cog.facts import Facts
from hearth.cog.introspect_static import Module, Unreadable
from hearth.cog.openapi import document_of, runtime_schema, title
from hearth.domain.schema import InputSchema
from hearth.errors import BuildFailed, InvalidInput

PRELUDE = """
from cog import *
from typing import *
from enum import Enum
from dataclasses import dataclass
import cog
class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"
"""

URI = {"type": "string", "format": "uri"}
SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
OBJECT = {"type": "object"}
ANY = {"type": "object", "x-hearth-any": True}
CHOICE = {"allOf": [{"$ref": "#/components/schemas/x"}], "x-order": 0}

Schema = dict[str, Any]


def document(tmp_path: Path, source: str, train: str | None = None) -> Schema:
    path = tmp_path / "predict.py"
    path.write_text(PRELUDE + source)
    facts = {
        "predict": Module(str(path)).signature("", False),
        "train": Module(str(path)).signature(train, True) if train else None,
    }
    return document_of(msgspec.convert(facts, Facts))


def one_input(tmp_path: Path, parameter: str) -> tuple[Schema, bool, Schema]:
    """(property, required, components) of the one input `x`."""
    source = f"class Predictor:\n    def predict(self, {parameter}) -> str: ...\n"
    schemas = document(tmp_path, source)["components"]["schemas"]
    return schemas["Input"]["properties"]["x"], "x" in schemas["Input"].get("required", []), schemas


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("str", {"type": "string"}),
        ("int", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("Path", URI),
        ("cog.Path", URI),
        ("os.PathLike", URI),
        ("File", URI),
        ("Secret", SECRET),
        ("dict", OBJECT),
        ("dict[str, int]", OBJECT),
        ("Any", ANY),
        ("list", {"type": "array", "items": ANY}),
        ("list[Any]", {"type": "array", "items": ANY}),
        ("list[dict]", {"type": "array", "items": OBJECT}),
        ("list[str]", {"type": "array", "items": {"type": "string"}}),
        ("List[Path]", {"type": "array", "items": URI}),
        ("list[Secret]", {"type": "array", "items": SECRET}),
        ("Optional[int]", {"type": "integer", "nullable": True}),
        ("int | None", {"type": "integer", "nullable": True}),
        ("Union[str, None]", {"type": "string", "nullable": True}),
        ("Optional[list[str]]", {"type": "array", "items": {"type": "string"}, "nullable": True}),
        ("str | int", {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        (
            "Union[str, list[str], None]",
            {
                "anyOf": [
                    {"type": "string", "nullable": True},
                    {"type": "array", "items": {"type": "string"}, "nullable": True},
                ],
                "nullable": True,
            },
        ),
        ("Annotated[int, Opaque]", OBJECT),
        ("Annotated[list[int], cog.Opaque]", {"type": "array", "items": OBJECT}),
        ("Annotated[int, 'note']", {"type": "integer"}),
        ('"int"', {"type": "integer"}),
    ],
)
def test_input_types(tmp_path: Path, annotation: str, schema: Schema) -> None:
    found, _, _ = one_input(tmp_path, f"x: {annotation}")
    assert found == {**schema, "title": "X", "x-order": 0}


@pytest.mark.parametrize(
    ("parameter", "values", "type_"),
    [
        ("x: Literal['a', 'b']", ["a", "b"], "string"),
        ("x: Literal[1, 2]", [1, 2], "integer"),
        ("x: str = Input(choices=['a', 'b'])", ["a", "b"], "string"),
        ("x: int = Input(choices=[1, 3])", [1, 3], "integer"),
        ("x: str = Input(choices={'a': 1, 'b': 2})", ["a", "b"], "string"),
        ("x: str = Input(choices={'a': 1, 'b': 2}.keys())", ["a", "b"], "string"),
        ("x: int = Input(choices=range(1, 6, 2))", [1, 3, 5], "integer"),
        ("x: str = Input(choices=['a', 'b', 'a'])", ["a", "b"], "string"),
        ("x: Colour", ["red", "blue"], "string"),
    ],
)
def test_enumerations(tmp_path: Path, parameter: str, values: list[Any], type_: str) -> None:
    found, required, schemas = one_input(tmp_path, parameter)
    assert found == {**CHOICE, "type": type_}  # no title; the type for the command line client
    assert schemas["x"] == {
        "title": "x",
        "description": "An enumeration.",
        "enum": values,
        "type": type_,
    }
    assert required


def test_choices_of_a_list_and_defaults_of_enumerations(tmp_path: Path) -> None:
    found, _, _ = one_input(tmp_path, "x: list[str] = Input(choices=['a', 'b'])")
    assert found["items"] == {"$ref": "#/components/schemas/x"}
    found, required, _ = one_input(tmp_path, "x: Colour = Colour.BLUE")
    assert (found["default"], required) == ("blue", False)


def test_input_arguments_become_keywords(tmp_path: Path) -> None:
    found, _, _ = one_input(tmp_path, "x: int = Input(description='How many', ge=1, le=10, default=2, deprecated=True)")
    assert found == {
        "type": "integer",
        "title": "X",
        "x-order": 0,
        "description": "How many",
        "minimum": 1,
        "maximum": 10,
        "deprecated": True,
        "default": 2,
    }
    found, _, _ = one_input(tmp_path, "x: str = Input(min_length=1, max_length=3, regex='^a')")
    assert (found["minLength"], found["maxLength"], found["pattern"]) == (1, 3, "^a")
    found, _, _ = one_input(tmp_path, "x: Path = Input(accept='image/*')")
    assert found["x-cog-accept"] == "image/*"


def test_order_follows_the_signature_without_self(tmp_path: Path) -> None:
    source = "class Predictor:\n    def run(self, second: int, first_name: str = 'x') -> str: ...\n"
    properties = document(tmp_path, source)["components"]["schemas"]["Input"]["properties"]
    assert [(name, p["x-order"], p["title"]) for name, p in properties.items()] == [
        ("second", 0, "Second"),
        ("first_name", 1, "First Name"),
    ]


def test_titles() -> None:
    assert [title("num_steps"), title("aB_c"), title("x")] == ["Num Steps", "AB C", "X"]


@pytest.mark.parametrize(
    ("parameter", "required", "nullable", "default"),
    [
        ("x: int", True, False, ...),
        ("x: int = Input(description='d')", True, False, ...),
        ("x: int = Input()", True, False, ...),
        ("x: int = 3", False, False, 3),
        ("x: int = Input(default=3)", False, False, 3),
        ("x: int = Input(3)", False, False, 3),
        ("x: int = Input(default=None)", False, False, ...),
        ("x: int = None", False, False, ...),
        ("x: Secret = Input(default=None)", False, True, None),
        ("x: Optional[int]", False, True, ...),
        ("x: Optional[int] = Input(description='d')", False, True, ...),
        ("x: Optional[int] = Input(default=None)", False, True, None),
        ("x: Optional[int] = None", False, True, None),
        ("x: Optional[int] = 4", False, True, 4),
        ("x: str | int | None", True, True, ...),
        ("x: str | int | None = None", False, True, None),
        ("x: bool = False", False, False, False),
        ("x: list[str] = Input(default=['a'])", False, False, ["a"]),
    ],
)
def test_required_nullable_default(
    tmp_path: Path, parameter: str, required: bool, nullable: bool, default: Any
) -> None:
    found, is_required, _ = one_input(tmp_path, parameter)
    assert is_required is required
    assert found.get("nullable", False) is nullable
    assert found.get("default", ...) == default


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        ("x: list[list[str]]", "a list can't hold lists"),
        ("x: list[Optional[str]]", "a list can't hold lists"),
        ("x: Path | str", "a union may hold"),
        ("x: str | int = Input(ge=1)", "no limits"),
        ("x: str | int = Input(choices=['a'])", "no limits"),
        ("x: Tensor", "Tensor is not one that Cog can take"),
        ("x: str = Input(ge=1)", "`ge` does not go"),
        ("x: int = Input(regex='a')", "`regex` does not go"),
        ("x: float = Input(choices=[1.5])", "choices need"),
        ("x: Literal['a', 1]", "all text or all whole numbers"),
        ("x: str = Input(choices=[])", "no choices"),
        ("x: str = Input(accept='image/*')", "files only"),
    ],
)
def test_what_cog_cannot_take_is_refused_by_name(tmp_path: Path, parameter: str, says: str) -> None:
    with pytest.raises(BuildFailed, match="Input `x`") as caught:
        one_input(tmp_path, parameter)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        ("x: int = Input(default=1, ge=2)", "greater than or equal to 2"),
        ("x: float = 3.5\n, y: int = Input(default=11, le=10)", "less than or equal to 10"),
        ("x: str = Input(default='abc', max_length=2)", "less than or equal to 2"),
        ("x: str = Input(default='foo', regex='^bar')", "pattern"),
        ("x: str = Input(default='c', choices=['a', 'b'])", 'one of the following: "a", "b"'),
        ("x: int = Input(default=0.5)", "Expected: integer"),
        ("x: list[int] = Input(default=['a'])", "Expected: integer"),
    ],
)
def test_a_default_that_the_input_refuses_is_refused(tmp_path: Path, parameter: str, says: str) -> None:
    with pytest.raises(BuildFailed, match="its default does not fit") as caught:
        one_input(tmp_path, parameter)
    assert says in caught.value.message


@pytest.mark.parametrize(
    "parameter",
    [
        "x: Path = 'examples/cat.png'",
        "x: list[Path] = Input(default=['a.png'])",
        "x: Any = Input(default=3)",
        "x: list = Input(default=[1, 'a'])",
        "x: int = Input(default=None, ge=1)",
        "x: str = Input(default=3)",
    ],
)
def test_a_default_that_fits_is_taken(tmp_path: Path, parameter: str) -> None:
    one_input(tmp_path, parameter)


@pytest.mark.parametrize("parameter", ["*args", "**kwargs", "x", "x: str = Input(choices=compute())"])
def test_what_only_running_could_tell_is_said(tmp_path: Path, parameter: str) -> None:
    with pytest.raises(Unreadable):
        one_input(tmp_path, parameter)


OUTPUTS = """
class Point(BaseModel):
    x: float
    label_text: Optional[str]
    tags: list[str] = []
class Deep(BaseModel):
    point: Point
    image: Path
class Loop(BaseModel):
    next: Optional["Loop"]
"""

POINT = {
    "type": "object",
    "properties": {
        "x": {"title": "X", "type": "number"},
        "label_text": {"title": "Label Text", "type": "string", "nullable": True},
        "tags": {"title": "Tags", "type": "array", "items": {"type": "string"}},
    },
    "required": ["x"],
}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("str", {"type": "string"}),
        ("int", {"type": "integer"}),
        ("Path", URI),
        ("Secret", SECRET),
        ("Any", OBJECT),
        ("dict", OBJECT),
        ("dict[str, Any]", OBJECT),
        ("dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
        ("list", {"type": "array", "items": OBJECT}),
        ("list[Path]", {"type": "array", "items": URI}),
        ("List[List[float]]", {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
        ("Iterator[Path]", {"type": "array", "items": URI, "x-cog-array-type": "iterator"}),
        ("AsyncIterator[int]", {"type": "array", "items": {"type": "integer"}, "x-cog-array-type": "iterator"}),
        ("Generator[str, None, None]", {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}),
        (
            "ConcatenateIterator[str]",
            {
                "type": "array",
                "items": {"type": "string"},
                "x-cog-array-type": "iterator",
                "x-cog-array-display": "concatenate",
            },
        ),
        (
            "AsyncConcatenateIterator[str]",
            {
                "type": "array",
                "items": {"type": "string"},
                "x-cog-array-type": "iterator",
                "x-cog-array-display": "concatenate",
            },
        ),
        ("Point", POINT),
        (
            "Deep",
            {
                "type": "object",
                "properties": {"point": {"title": "Point", **POINT}, "image": {"title": "Image", **URI}},
                "required": ["point", "image"],
            },
        ),
        ("Loop", {"type": "object", "properties": {"next": {"title": "Next", "type": "object", "nullable": True}}}),
        ("list[Point]", {"type": "array", "items": POINT}),
        ("Optional[str]", {"type": "string", "nullable": True}),
        ("Union[str, int]", {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ("Tensor", OBJECT),
        ("Colour", {"type": "string", "enum": ["red", "blue"]}),
    ],
)
def test_output_types(tmp_path: Path, annotation: str, schema: Schema) -> None:
    source = f"{OUTPUTS}\nclass Predictor:\n    def predict(self) -> {annotation}: ...\n"
    found = document(tmp_path, source)["components"]["schemas"]["Output"]
    assert found == {"title": "Output", **schema}


@pytest.mark.parametrize("arrow", ["", " -> None"])
def test_a_missing_return_annotation_is_an_error(tmp_path: Path, arrow: str) -> None:
    with pytest.raises(BuildFailed, match="missing a return type annotation"):
        document(tmp_path, f"class Predictor:\n    def predict(self){arrow}: ...\n")


def test_concatenation_needs_text(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="must be str"):
        document(tmp_path, "class Predictor:\n    def predict(self) -> ConcatenateIterator[int]: ...\n")


TRAINER = """
class TrainingOut(BaseModel):
    weights: Path
def train(data: Path, steps: int = 10, mode: str = Input(choices=["x", "y"])) -> TrainingOut: ...
class Predictor:
    def predict(self, prompt: str, mode: str = Input(choices=["a", "b"])) -> ConcatenateIterator[str]: ...
"""


def test_the_document_is_valid_openapi(tmp_path: Path) -> None:
    found = document(tmp_path, TRAINER, train="train")
    OpenAPIV30SpecValidator(found).validate()
    assert (found["openapi"], found["info"]["title"]) == ("3.0.2", "Cog")
    assert set(found["paths"]) == {
        "/",
        "/health-check",
        "/predictions",
        "/predictions/{prediction_id}",
        "/predictions/{prediction_id}/cancel",
        "/shutdown",
        "/trainings",
        "/trainings/{training_id}",
        "/trainings/{training_id}/cancel",
    }
    assert found["paths"]["/predictions"]["post"]["operationId"] == "predict_predictions_post"
    schemas = found["components"]["schemas"]
    assert schemas["TrainingInput"]["required"] == ["data", "mode"]
    assert schemas["TrainingOutput"]["properties"]["weights"]["format"] == "uri"
    assert schemas["mode"]["enum"] == ["a", "b"]
    assert schemas["mode_"]["enum"] == ["x", "y"]
    assert schemas["Status"]["enum"] == ["starting", "processing", "succeeded", "canceled", "failed"]


def test_only_streaming_models_carry_the_flag_in_public(tmp_path: Path) -> None:
    plain = document(tmp_path, "class Predictor:\n    def predict(self) -> str: ...\n")
    assert "x-cog-streaming" not in plain["paths"]["/predictions"]["post"]
    decorated = document(tmp_path, "class Predictor:\n    @cog.streaming\n    def predict(self) -> str: ...\n")
    assert decorated["paths"]["/predictions"]["post"]["x-cog-streaming"] is True
    iterator = document(tmp_path, "class Predictor:\n    def predict(self) -> Iterator[str]: ...\n")
    assert iterator["paths"]["/predictions"]["post"]["x-cog-streaming"] is True


def test_coglets_copy_streams_and_takes_null(tmp_path: Path) -> None:
    public = document(tmp_path, TRAINER.replace("steps: int = 10", "steps: Optional[int] = None"), train="train")
    copy = runtime_schema(public, train=True)
    assert copy["paths"]["/predictions"]["post"]["x-cog-streaming"] is True
    steps = copy["components"]["schemas"]["Input"]["properties"]["steps"]
    assert {"type": "null"} in steps["anyOf"]
    assert steps["default"] is None
    assert set(copy["components"]["schemas"]["Input"]["properties"]) == {"data", "steps", "mode"}
    assert set(public["components"]["schemas"]["Input"]["properties"]) == {"prompt", "mode"}
    assert set(runtime_schema(public)["components"]["schemas"]["Input"]["properties"]) == {"prompt", "mode"}


def test_coglet_refuses_nothing_where_any_json_passes(tmp_path: Path) -> None:
    source = "class Predictor:\n    def predict(self, x: Any, y: list, z: Optional[Any], w: dict) -> str: ...\n"
    public = document(tmp_path, source)
    found = runtime_schema(public)["components"]["schemas"]["Input"]["properties"]
    assert "type" not in found["x"]
    assert found["y"]["items"] == {}
    assert {} in found["z"]["anyOf"]
    assert found["w"]["type"] == "object"
    assert InputSchema.parse(public).check({"x": "text", "y": [1, "a", None], "w": {}})
    with pytest.raises(InvalidInput):
        InputSchema.parse(public).check({"x": 1, "y": 2, "w": "no object"})
