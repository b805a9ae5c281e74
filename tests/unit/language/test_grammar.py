"""Whatever a model would say, what it says is valid."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from engine import Engine, Params, Request, UserError
from engine.backends.numpy_llama import NumpyLlama
from engine.gguf import File
from engine.grammar import Grammars
from engine.scheduler import Scheduler
from engine.shape import Shape, strict
from engine.testing import beside, random_gguf
from engine.tokenizer import from_gguf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WORDS = ('{"', '":', ',"')
LEAVES = st.sampled_from(
    [
        {"type": "boolean"},
        {"type": "null"},
        {"type": "integer", "minimum": -5, "maximum": 120},
        {"type": "string", "maxLength": 5},
        {"type": "string", "pattern": "^[a-z]{2,4}$"},
        {"enum": ["red", "green", 3]},
        {"const": "fixed"},
    ]
)
KEYS = st.sampled_from(["name", "age", "a b", 'qu"ote', "é"])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, min_size=1, max_size=3).map(
            lambda p: {"type": "object", "properties": p, "required": sorted(p)}
        ),
        inner.map(lambda item: {"type": "array", "items": item, "minItems": 1, "maxItems": 2}),
        st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=4,
)
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"n": leaf}, "required": ["n"]}},
    }
    for name, leaf in (("count", {"type": "integer", "minimum": 0, "maximum": 9}), ("say", {"enum": ["a", "b"]}))
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    file = File(random_gguf(tmp_path_factory.mktemp("gguf") / "m.gguf", words=WORDS))
    words = from_gguf(file)
    made = Engine(beside(Scheduler(NumpyLlama(file), words)), words)
    yield made
    made.close()


def said(engine: Engine, seed: int = 1, **shape: Any) -> str:
    async def run() -> str:
        params = Params(seed=seed, max_tokens=400, temperature=1.5)
        generation = engine.generate(Request(prompt="?", params=params, shape=Shape(**shape)))
        text = "".join([piece async for piece in generation])
        assert generation.reason == "stop", text
        return text

    return asyncio.run(run())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=SCHEMAS, seed=st.integers(0, 1000))
def test_random_models_write_json_of_random_schemas(engine: Engine, schema: dict[str, Any], seed: int) -> None:
    jsonschema.validate(json.loads(said(engine, seed, jsonschema=json.dumps(schema))), schema)


@pytest.mark.parametrize("seed", range(4))
def test_patterns_choices_and_grammars_hold(engine: Engine, seed: int) -> None:
    assert re.fullmatch(r"\d{4}-\d\d", said(engine, seed, regex=r"\d{4}-\d\d"))
    assert said(engine, seed, choices=["yes", 'n"o', "é\n"]) in ["yes", 'n"o', "é\n"]
    assert re.fullmatch("a(b|cd){1,3}", said(engine, seed, grammar='root ::= "a" x x? x?\nx ::= "b" | "cd"'))
    assert re.fullmatch("[xy]{3}z", said(engine, seed, grammar='start: /[xy]{3}/ "z"'))


@pytest.mark.parametrize("seed", range(4))
def test_tool_calls_fit_their_tools(engine: Engine, seed: int) -> None:
    call = json.loads(said(engine, seed, tools=TOOLS, tool_choice="required"))
    parameters = next(t["function"]["parameters"] for t in TOOLS if t["function"]["name"] == call["name"])
    assert call.keys() == {"name", "arguments"}
    jsonschema.validate(call["arguments"], strict(parameters))
    named = {"type": "function", "function": {"name": "say"}}
    for choice in ("say", named):
        assert json.loads(said(engine, seed, tools=TOOLS, tool_choice=choice))["name"] == "say"


def test_where_a_tool_may_be_called_a_text_may_come(engine: Engine) -> None:
    async def run(seed: int) -> str:
        shape = Shape(tools=TOOLS, tool_choice="auto")
        params = Params(seed=seed, max_tokens=40, temperature=1.5)
        return "".join([p async for p in engine.generate(Request(prompt="?", params=params, shape=shape))])

    for seed in range(30):
        text = asyncio.run(run(seed))
        if text.startswith("{"):
            assert json.loads(text)["name"] in ("count", "say")
            return
    assert text  # no text began like a call: none had to be one


@pytest.mark.parametrize(
    "wrong",
    [
        {"jsonschema": "{"},
        {"jsonschema": '{"type": "martian"}'},
        {"regex": "(("},
        {"grammar": "root ::= nothing"},
        {"grammar": "start: %%%"},
        {"tools": TOOLS, "tool_choice": "unknown"},
    ],
)
def test_bad_shapes_are_refused(engine: Engine, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="E1000 InvalidInput"):
        said(engine, **wrong)


def test_one_shape_at_a_time() -> None:
    with pytest.raises(UserError, match="send one of them"):
        Shape(regex="a", choices=["b"])


def test_a_text_that_ran_out_of_tokens_says_so(engine_of: Callable[..., Engine]) -> None:
    engine = engine_of()

    async def run() -> bool:
        shape = Shape(jsonschema='{"type": "string", "minLength": 50}')
        generation = engine.generate(Request(prompt="?", params=Params(seed=1, max_tokens=5), shape=shape))
        assert "".join([piece async for piece in generation]).startswith('"')
        return generation.complete

    assert asyncio.run(run()) is False


def test_any_token_that_ends_a_turn_ends_a_shape(tmp_path: Path) -> None:
    words = from_gguf(File(random_gguf(tmp_path / "m.gguf")))
    words.ends = frozenset([0, 3])
    constraint = Grammars(words, words.vocab).constraint(Shape(regex="a?"))
    assert constraint is not None
    allowed = {int(token) for token in np.flatnonzero(constraint.allowed())}
    assert allowed == {0, 3, *words.encode("a")}
