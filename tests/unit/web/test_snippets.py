"""Code that pages show: it must be code."""

from __future__ import annotations

import ast
import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.web.snippets import Call, Language, LocalFile, Use, snippet

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
INPUTS = st.dictionaries(TEXT, VALUES, max_size=4)


def call(input: dict[str, Any], reference: str = "ann/m") -> Call:
    return Call("https://localhost:8700", reference, input)


@given(INPUTS, st.sampled_from(Use))
def test_python_says_the_input_as_it_is(input: dict[str, Any], use: Use) -> None:
    tree = ast.parse(snippet(Language.PYTHON, call(input), use))
    (given_,) = [
        k.value for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords if k.arg == "input"
    ]
    assert ast.literal_eval(given_) == input


@given(INPUTS)
def test_curl_sends_the_input_as_it_is(input: dict[str, Any]) -> None:
    text = snippet(Language.HTTP, call(input))
    words = shlex.split(text.replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1]) == {"input": input}
    assert words[-1] == "https://localhost:8700/v1/models/ann/m/predictions"


def test_a_version_is_named_where_one_is_meant() -> None:
    text = snippet(Language.HTTP, call({}, "ann/m:" + "a" * 64))
    assert '"version": "' + "a" * 64 in text
    assert text.rstrip().endswith("/v1/predictions")
    assert f'"ann/m:{"a" * 64}"' in snippet(Language.NODEJS, call({}, "ann/m:" + "a" * 64))


@pytest.mark.parametrize(
    ("language", "part"),
    [
        (Language.PYTHON, 'open("a b.png", "rb")'),
        (Language.NODEJS, 'await readFile("a b.png")'),
        (Language.HTTP, "-F content=@'a b.png'"),
    ],
)
def test_files_on_disk_are_opened(language: Language, part: str) -> None:
    assert part in snippet(language, call({"image": LocalFile("@a b.png")}))


def test_text_that_looks_like_a_file_is_text() -> None:
    assert "open(" not in snippet(Language.PYTHON, call({"text": "@ann"}))
