"""transformers, with tiny models of random weights made here: what is batched says what each would say alone."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine import Card, Engine, Params, Request, load
from engine.shape import Shape

from .tiny import SMALL, save, sharpened, t5

torch = pytest.importorskip("torch", reason="torch is not installed: it is 800 MB")
transformers = pytest.importorskip("transformers")
Causal: Any = importlib.import_module("engine.backends.transformers").Causal
Seq2Seq: Any = importlib.import_module("engine.backends.transformers").Seq2Seq

PROMPTS = [[7, 100, 33, 90, 21], [12, 11], [50]]


@pytest.fixture(scope="module", params=["llama", "mistral", "mixtral", "t5"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp(request.param)
    if request.param == "t5":
        return request.param, t5(path)
    torch.manual_seed(0)
    common = {"vocab_size": 259, "pad_token_id": 0, "eos_token_id": 1, "max_position_embeddings": 256, **SMALL}
    if request.param == "llama":
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(num_key_value_heads=2, **common))
    elif request.param == "mistral":
        config = transformers.MistralConfig(num_key_value_heads=2, sliding_window=8, **common)
        model = transformers.MistralForCausalLM(config)
    else:
        config = transformers.MixtralConfig(num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, **common)
        model = transformers.MixtralForCausalLM(config)
    return request.param, save(sharpened(model), path)


@pytest.fixture
def backend(made: tuple[str, Path]) -> Iterator[Causal]:
    kind, path = made
    opened = (Seq2Seq if kind == "t5" else Causal)(path, slots=4, threads=1)
    yield opened
    opened.close()


def whole(backend: Causal, prompt: list[int], said: list[int]) -> np.ndarray:
    """Scores from one pass over everything, without caches or neighbours."""
    with torch.inference_mode():
        if isinstance(backend, Seq2Seq):
            out = backend._model(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([[0, *said]]))
        else:
            out = backend._model(input_ids=torch.tensor([[*prompt, *said]]), use_cache=False)
    return out.logits[0, -1].numpy()


def test_sequences_that_come_and_go_have_their_own_scores(backend: Causal) -> None:
    states, said = [], {}
    for n, prompt in enumerate(PROMPTS):  # one more joins at each step
        state, pending = backend.start(prompt, 64)
        states.append(state)
        said[n] = []
        rows = backend.feed([*((states[m], [said[m][-1]]) for m in range(n)), (state, pending)])
        for m in range(n + 1):
            assert np.allclose(rows[m], whole(backend, PROMPTS[m], said[m]), atol=1e-3)
            said[m].append(int(rows[m].argmax()))
    for left in ([0, 1, 2], [2, 0], [0]):  # and then they leave
        rows = backend.feed([(states[m], [said[m][-1]]) for m in left])
        for row, m in zip(rows, left, strict=True):
            assert np.allclose(row, whole(backend, PROMPTS[m], said[m]), atol=1e-3)
            said[m].append(int(row.argmax()))
        for m in range(3):
            if m not in left:
                backend.end(states[m])


def test_a_prompt_in_pieces_is_the_same_prompt(made: tuple[str, Path], backend: Causal) -> None:
    if made[0] == "t5":
        pytest.skip("its prompt is read at once")
    state, pending = backend.start(PROMPTS[0], 64)
    for piece in (pending[:2], pending[2:3], pending[3:]):
        rows = backend.feed([(state, piece)])
    assert np.allclose(rows[0], whole(backend, PROMPTS[0], []), atol=1e-3)


async def test_answers_come_through_the_engine(made: tuple[str, Path]) -> None:
    kind, path = made
    card = Card(name="a/b", kind="seq2seq" if kind == "t5" else "causal", template="{prompt}")
    engine = load(card, {"MODEL_WEIGHTS": str(path), "MODEL_SLOTS": "3"})

    async def said(engine: Engine, n: int) -> tuple[int, str | None]:
        params = Params(seed=n, max_tokens=6 + n, min_tokens=6 + n)
        generation = engine.generate(Request(prompt=f"Say {n}" * (n + 1), params=params))
        _ = [piece async for piece in generation]
        return generation.tokens, generation.reason

    try:
        found = await asyncio.gather(*(said(engine, n) for n in range(5)))
        assert found == [(6 + n, "length") for n in range(5)]
        shape = Shape(choices=["yes", "no"])
        generation = engine.generate(Request(prompt="?", params=Params(seed=1), shape=shape))
        assert "".join([piece async for piece in generation]) in ("yes", "no")
    finally:
        engine.close()
