"""The section `batching` of hearth.yaml, and the two forms of a schema that it makes."""

from __future__ import annotations

from typing import Any

import pytest

from hearth.cog import batching, marked
from hearth.domain.model import Batching
from hearth.errors import BuildFailed, ConfigInvalid

TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}, "title": "Text", "x-order": 0}
VECTORS = {"title": "Output", "type": "array", "items": {"type": "array", "items": {"type": "number"}}}


def read(text: str) -> Batching | None:
    return batching.read(marked.parse(text, file="hearth.yaml"))


def document(output: dict[str, Any] | None = None, **inputs: dict[str, Any]) -> dict[str, Any]:
    properties = inputs or {"text": TEXTS}
    required = [name for name, found in properties.items() if "default" not in found]
    return {
        "components": {
            "schemas": {
                "Input": {"type": "object", "properties": properties, "required": required},
                "Output": output or VECTORS,
            }
        }
    }


def single(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return batching.singular(found, Batching(inputs=names or ("text",)), streams=False)


def test_it_is_optional_and_has_defaults() -> None:
    assert read("description: no groups\n") is None
    assert read("batching:\n  input: text\n") == Batching(inputs=("text",), max_size=16, max_wait=0.05)
    assert read("batching:\n  inputs: [a, b]\n  max_size: 8\n  max_wait: 1\n") == Batching(
        inputs=("a", "b"), max_size=8, max_wait=1.0
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batching:\n  max_size: 4\n", "hearth.yaml:1: batching: needs `input: NAME`"),
        ("batching:\n  input: a\n  inputs: [b]\n", "needs `input: NAME` or"),
        ("batching:\n  input: a\n  max_size: 0\n", "hearth.yaml:3: batching.max_size: must be at least 1"),
        ("batching:\n  input: a\n  max_size: 5000\n", "must be at most 1024"),
        ("batching:\n  input: a\n  max_wait: soon\n", "hearth.yaml:3: batching.max_wait: must be seconds"),
        ("batching:\n  input: a\n  max_wait: 60\n", "from 0 to 10"),
        ("batching:\n  input: a\n  max_sise: 4\n", "did you mean `max_size`"),
        ("batching: yes\n", "must be a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read(text)
    assert words in caught.value.message


def test_one_entry_is_published() -> None:
    found = single(document())["components"]["schemas"]
    assert found["Input"]["properties"]["text"] == {"type": "string", "minLength": 1, "title": "Text", "x-order": 0}
    assert found["Output"] == {"title": "Output", "type": "array", "items": {"type": "number"}}


def test_choices_stay_choices() -> None:
    reference = {"$ref": "#/components/schemas/style"}
    published = single(document(style={"type": "array", "items": reference, "x-order": 0}), "style")
    assert published["components"]["schemas"]["Input"]["properties"]["style"] == {"x-order": 0, "allOf": [reference]}


@pytest.mark.parametrize("name", ["text", "style", "image"])
def test_lists_come_back_for_coglet(name: str) -> None:
    lists = {
        "text": TEXTS,
        "style": {"type": "array", "items": {"$ref": "#/components/schemas/style"}, "x-order": 1, "description": "?"},
        "image": {"type": "array", "items": {"type": "string", "format": "uri"}, "x-cog-accept": "image/*"},
    }
    again = batching.plural(single(document(**lists), *lists), lists)["components"]["schemas"]["Input"]["properties"]
    expected = lists[name]
    if "$ref" in expected["items"]:
        expected = {**expected, "items": {"allOf": [expected["items"]]}}
    assert again[name] == expected


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (document(other=TEXTS), "there is no input 'text'; there are other"),
        (document(text={"type": "string"}), "the input 'text' is not a list"),
        (document(text={**TEXTS, "default": []}), "the input 'text' is optional"),
        (document(text={**TEXTS, "nullable": True}), "the input 'text' is optional"),
        (document(text={**TEXTS, "items": {"type": "string", "x-cog-secret": True}}), "the input 'text' is secret"),
        (document({"type": "string"}), "the model must return a list"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(found: dict[str, Any], words: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        single(found)
    assert words in caught.value.message
    assert caught.value.hint == "See docs/batching.md."


def test_what_streams_is_refused() -> None:
    with pytest.raises(BuildFailed, match="comes item by item"):
        batching.singular(document(), Batching(inputs=("text",)), streams=True)
