"""llama.cpp on the same file says what numpy says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from engine import Engine, Params, Request
from engine.backends.numpy_llama import NumpyLlama
from engine.gguf import F16, File
from engine.scheduler import Scheduler
from engine.testing import beside, random_gguf
from engine.tokenizer import from_gguf

pytest.importorskip("xllamacpp", reason="xllamacpp is not installed", exc_type=ImportError)
from engine.backends.llama_cpp import LlamaCpp


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_gguf(tmp_path_factory.mktemp("gguf") / "m.gguf", width=64, kind=F16, sharpness=2.0)


@pytest.fixture
def backend(path: Path) -> Iterator[LlamaCpp]:
    made = LlamaCpp(path, slots=4, context=256, threads=1)
    yield made
    made.close()


def test_scores_are_those_of_numpy(path: Path, backend: LlamaCpp) -> None:
    numpy = NumpyLlama(File(path))
    prompts = [[7, 100, 33, 90], [12, 11]]
    theirs = [backend.start(prompt, 64)[0] for prompt in prompts]
    ours = [numpy.start(prompt, 64)[0] for prompt in prompts]
    for fed in (prompts, [[9], [200]], [[3, 4, 5], [6]]):
        expected = numpy.feed(list(zip(ours, fed, strict=True)))
        found = backend.feed(list(zip(theirs, fed, strict=True)))
        assert np.allclose(found, expected, atol=0.02)
        assert (found.argmax(1) == expected.argmax(1)).all()


def test_a_slot_that_was_given_back_is_empty(backend: LlamaCpp) -> None:
    first, _ = backend.start([7, 8, 9], 64)
    before = backend.feed([(first, [7, 8, 9])])
    backend.end(first)
    again, _ = backend.start([7, 8, 9], 64)
    assert again.number == first.number
    assert np.allclose(backend.feed([(again, [7, 8, 9])]), before, atol=1e-3)


async def test_many_answers_at_a_time(path: Path) -> None:
    words = from_gguf(File(path))
    engine = Engine(beside(Scheduler(LlamaCpp(path, slots=3, context=256, threads=1), words)), words)

    async def said(n: int) -> int:
        generation = engine.generate(Request(prompt=f"p{n}" * 90, params=Params(seed=n, max_tokens=10, min_tokens=10)))
        _ = [piece async for piece in generation]
        return generation.tokens

    try:
        assert await asyncio.gather(*map(said, range(7))) == [10] * 7
    finally:
        engine.close()
