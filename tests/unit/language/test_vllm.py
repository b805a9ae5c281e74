"""The adapter to vLLM, against an engine that answers as vLLM's does; test_vllm_package.py has the real one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from engine.errors import UserError
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
    errored: bool = False
    raises: Exception | None = None
    model_config: Any = field(default_factory=lambda: SimpleNamespace(max_model_len=64), repr=False)

    async def generate(self, prompt: dict[str, list[int]], params: Any, name: str) -> AsyncIterator[Any]:
        self.asked = (prompt, params)
        if self.raises:
            raise self.raises
        for count in range(1, len(self.says) + 1):
            reason = self.reason if count == len(self.says) else None
            yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=self.says[:count], finish_reason=reason)])

    @property
    def renderer(self) -> Any:
        async def render(prompts: list[Any]) -> list[Any]:
            return [{"rendered": prompt} for prompt in prompts]

        return SimpleNamespace(render_cmpl_async=render)

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
    exceptions = ModuleType("vllm.exceptions")
    exceptions.VLLMClientError = type("VLLMClientError", (Exception,), {})  # type: ignore[attr-defined]
    library.SamplingParams = lambda **given: given  # type: ignore[attr-defined]
    library.AsyncEngineArgs = lambda **given: given  # type: ignore[attr-defined]
    library.AsyncLLMEngine = SimpleNamespace(from_engine_args=lambda given: FakeEngine())  # type: ignore[attr-defined]
    torch = ModuleType("torch")
    torch.cuda = SimpleNamespace(device_count=lambda: 2)  # type: ignore[attr-defined]
    modules = {"vllm": library, "vllm.sampling_params": options, "vllm.exceptions": exceptions, "torch": torch}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "engine.backends.vllm", raising=False)
    adapter = importlib.import_module("engine.backends.vllm")
    monkeypatch.delitem(sys.modules, "engine.backends.vllm")
    return adapter


def job(stop: tuple[str, ...] = (), shape: Shape | None = None, **params: Any) -> Job:
    return Job(prompt=[5, 6], params=Params(seed=1, stop=stop, **params), shape=shape or Shape())


async def test_tokens_become_text(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4, context=None)
    source._engine.says = [1, 2, END]
    pieces = [piece async for piece in source.run(job())]
    assert "".join(piece.text for piece in pieces) == "1 2 "
    assert (pieces[-1].ended, pieces[-1].tokens) == ("stop", 2)
    assert source._engine.asked[0] == {"rendered": {"prompt_token_ids": [5, 6]}}
    assert source._engine.aborted == []
    source.close()


async def test_a_limit_is_a_length(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4, context=None)
    source._engine.says, source._engine.reason = [1, 2], "length"
    assert [piece async for piece in source.run(job())][-1].ended == "length"


async def test_a_stop_sequence_ends_it_there(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4, context=None)
    source._engine.says = [1, 2, 3, 4]
    assert "".join([piece.text async for piece in source.run(job(stop=("2 3",)))]) == "1 "
    assert source._engine.aborted == ["job-0"]


async def test_who_goes_away_aborts(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4, context=None)
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
        (Shape(regex="a+"), {"regex": "a+"}),
        (Shape(choices=["a"]), {"grammar": 'start: "a"'}),
        (Shape(grammar='start: "a"'), {"grammar": 'start: "a"'}),
    ],
)
def test_shapes_in_its_words(vllm: ModuleType, shape: Shape, expected: dict[str, Any]) -> None:
    assert vllm.arguments(Params(seed=1), shape, frozenset())["structured_outputs"] == expected


def test_tools_that_have_to_be_called(vllm: ModuleType) -> None:
    tools = [{"function": {"name": "f"}}]
    asked = vllm.arguments(Params(seed=1), Shape(tools=tools, tool_choice="required"), frozenset())
    assert asked["structured_outputs"]["grammar"].startswith("start: %json")
    free = vllm.arguments(Params(seed=1), Shape(tools=tools), frozenset())
    assert free["structured_outputs"]["grammar"].startswith("start: TEXT | call")
    none = vllm.arguments(Params(seed=1), Shape(tools=tools, tool_choice="none"), frozenset())
    assert "structured_outputs" not in none


async def test_what_it_refuses_is_the_caller_s_error(vllm: ModuleType) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4, context=None)
    source._engine.raises = vllm.VLLMClientError("no such thing")
    with pytest.raises(UserError, match="E1000 InvalidInput: regex: no such thing"):
        await anext(source.run(job(shape=Shape(regex="("))))


async def test_when_its_engine_dies_the_process_does(vllm: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    source = vllm.Vllm(Path("weights"), WORDS, slots=4, context=None)
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    source._engine.raises = RuntimeError("CUDA says no")
    with pytest.raises(RuntimeError, match="CUDA"):
        await anext(source.run(job()))
    assert ended == [], "one run failed, the engine lives"
    source._engine.errored = True
    with pytest.raises(RuntimeError, match="CUDA"):
        await anext(source.run(job()))
    assert ended == [1]
