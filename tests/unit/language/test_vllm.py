"""The adapter to vLLM, against an engine that answers as vLLM's does: it runs on GPUs only."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from engine.job import Job, Params
from engine.shape import Shape

END = 9
WORDS = SimpleNamespace(ends=frozenset([END]), piece=lambda token: f"{token} ".encode())


@dataclass
class FakeEngine:
    """Says what it was told to, token by token."""

    says: list[int] = field(default_factory=list)
    reason: str = "stop"
    aborted: list[str] = field(default_factory=list)
    asked: Any = None
    model_config: Any = field(default_factory=lambda: SimpleNamespace(max_model_len=64), repr=False)

    async def generate(self, prompt: dict[str, list[int]], params: Any, name: str) -> AsyncIterator[Any]:
        self.asked = (prompt, params)
        for count in range(1, len(self.says) + 1):
            reason = self.reason if count == len(self.says) else None
            yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=self.says[:count], finish_reason=reason)])

    async def abort(self, name: str) -> None:
        self.aborted.append(name)

    def shutdown(self) -> None:
        self.aborted.append("shutdown")


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The adapter, with a fake of the library under it."""
    options = ModuleType("vllm.sampling_params")
    options.StructuredOutputsParams = lambda **given: given  # type: ignore[attr-defined]
    library = ModuleType("vllm")
    library.sampling_params = options  # type: ignore[attr-defined]
    library.SamplingParams = lambda **given: given  # type: ignore[attr-defined]
    library.AsyncEngineArgs = lambda **given: given  # type: ignore[attr-defined]
    library.AsyncLLMEngine = SimpleNamespace(from_engine_args=lambda given: FakeEngine())  # type: ignore[attr-defined]
    torch = ModuleType("torch")
    torch.cuda = SimpleNamespace(device_count=lambda: 2)  # type: ignore[attr-defined]
    for name, module in (("vllm", library), ("vllm.sampling_params", options), ("torch", torch)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "engine.backends.vllm", raising=False)
    adapter = importlib.import_module("engine.backends.vllm")
    monkeypatch.delitem(sys.modules, "engine.backends.vllm")
    return adapter


def job(stop: tuple[str, ...] = (), shape: Shape | None = None, **params: Any) -> Job:
    return Job(prompt=[5, 6], params=Params(seed=1, stop=stop, **params), shape=shape or Shape())


async def test_tokens_become_text(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4)
    source._engine.says = [1, 2, END]
    pieces = [piece async for piece in source.run(job())]
    assert "".join(piece.text for piece in pieces) == "1 2 "
    assert (pieces[-1].ended, pieces[-1].tokens) == ("stop", 2)
    assert source._engine.asked[0] == {"prompt_token_ids": [5, 6]}
    assert source._engine.aborted == []
    source.close()


async def test_a_limit_is_a_length(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4)
    source._engine.says, source._engine.reason = [1, 2], "length"
    assert [piece async for piece in source.run(job())][-1].ended == "length"


async def test_a_stop_sequence_ends_it_there(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4)
    source._engine.says = [1, 2, 3, 4]
    assert "".join([piece.text async for piece in source.run(job(stop=("2 3",)))]) == "1 "
    assert source._engine.aborted == ["job-0"]


async def test_who_goes_away_aborts(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4)
    source._engine.says = [1, 2, 3, 4]
    run = source.run(job())
    await anext(run)
    await run.aclose()
    assert source._engine.aborted == ["job-0"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"temperature": 0.01}, {"temperature": 0.0}),
        ({"top_p": 0.0}, {"top_p": 1e-6}),
        ({"top_k": 0}, {"top_k": -1}),
        ({"repetition_penalty": 0.0}, {"repetition_penalty": 1.0, "frequency_penalty": 0.0}),
        ({"repetition_penalty": 0.3, "frequency_penalty": 0.5}, {"repetition_penalty": 1.0, "frequency_penalty": 0.8}),
        ({"repetition_penalty": 1.2}, {"repetition_penalty": 1.2}),
        ({"min_tokens": -1}, {"min_tokens": 0}),
    ],
)
def test_parameters_in_its_words(vllm: ModuleType, params: dict[str, Any], expected: dict[str, Any]) -> None:
    found = vllm.arguments(Params(seed=1, **params), Shape(), frozenset([END]))
    assert {name: found[name] for name in expected} == expected
    assert found["stop_token_ids"] == [END]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape(jsonschema='{"type": "null"}'), {"json": {"type": "null"}}),
        (Shape(regex="a+"), {"regex": "a+"}),
        (Shape(choices=["a"]), {"choice": ["a"]}),
        (Shape(grammar='root ::= "a"'), {"grammar": 'root ::= "a"'}),
    ],
)
def test_shapes_in_its_words(vllm: ModuleType, shape: Shape, expected: dict[str, Any]) -> None:
    assert vllm.arguments(Params(seed=1), shape, frozenset())["structured_outputs"] == expected


def test_tools_that_have_to_be_called(vllm: ModuleType) -> None:
    tools = [{"function": {"name": "f"}}]
    asked = vllm.arguments(Params(seed=1), Shape(tools=tools, tool_choice="required"), frozenset())
    assert asked["structured_outputs"]["json"]["anyOf"][0]["properties"]["name"] == {"const": "f"}
    assert "structured_outputs" not in vllm.arguments(Params(seed=1), Shape(tools=tools), frozenset())
