"""The numpy backend, against a forward pass without caches, batches or fused matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine.backends.numpy_llama import NumpyLlama
from engine.errors import ModelError
from engine.gguf import F16, F32, Q8_0, File
from engine.testing import random_gguf, write

PROMPT = [7, 100, 33, 260, 5, 90, 12]


def reference(file: File, tokens: list[int]) -> np.ndarray:
    """Scores after the last of the tokens, rotary pairs side by side as llama.cpp has them."""
    settings = file.settings
    heads, kv = settings["llama.attention.head_count"], settings["llama.attention.head_count_kv"]
    x = file.read("token_embd.weight")[tokens].astype(np.float64)
    count, size = len(tokens), x.shape[1] // heads

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * file.read(name)

    def turned(x: np.ndarray) -> np.ndarray:
        angles = np.arange(count)[:, None] * 10000.0 ** (-np.arange(0, size, 2) / size)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        a, b = x[..., ::2], x[..., 1::2]
        return np.stack([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)

    for n in range(settings["llama.block_count"]):
        w = {name: file.read(f"blk.{n}.{name}.weight").astype(np.float64).T for name in NAMES}
        h = norm(x, f"blk.{n}.attn_norm.weight")
        q = turned((h @ w["attn_q"]).reshape(count, heads, size))
        k = turned((h @ w["attn_k"]).reshape(count, kv, size)).repeat(heads // kv, 1)
        v = (h @ w["attn_v"]).reshape(count, kv, size).repeat(heads // kv, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / size**0.5 + np.triu(np.full((count, count), -np.inf), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", weights, v).reshape(count, -1) @ w["attn_output"]
        h = norm(x, f"blk.{n}.ffn_norm.weight")
        gate = h @ w["ffn_gate"]
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w["ffn_up"])) @ w["ffn_down"]
    return norm(x, "output_norm.weight")[-1] @ file.read("output.weight").T


NAMES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def fed(model: NumpyLlama, *chunks: list[int]) -> np.ndarray:
    state, _ = model.start([], 64)
    for chunk in chunks:
        scores = model.feed([(state, chunk)])
    return scores[0]


@pytest.mark.parametrize("kind", [F32, F16, Q8_0])
def test_scores_are_those_of_the_plain_forward_pass(tmp_path: Path, kind: int) -> None:
    file = File(random_gguf(tmp_path / "m.gguf", kind=kind))
    assert np.allclose(fed(NumpyLlama(file), PROMPT), reference(file, PROMPT), atol=1e-4)


def test_a_prompt_in_pieces_is_the_same_prompt(tmp_path: Path) -> None:
    model = NumpyLlama(File(random_gguf(tmp_path / "m.gguf")))
    whole = fed(model, PROMPT)
    assert np.allclose(fed(model, PROMPT[:3], PROMPT[3:4], PROMPT[4:]), whole, atol=1e-5)


@pytest.mark.parametrize("tile", [1, 8])
def test_neighbours_change_nothing_to_the_last_bit(tmp_path: Path, tile: int) -> None:
    model = NumpyLlama(File(random_gguf(tmp_path / "m.gguf", width=64)))
    model._tile = tile
    alone = [fed(model, PROMPT, [9]), fed(model, PROMPT[:2], [11])]
    a, b, others = model.start([], 64)[0], model.start([], 64)[0], [model.start([], 64)[0] for _ in range(9)]
    model.feed([*((o, PROMPT[:n]) for n, o in enumerate(others[:4], 1)), (a, PROMPT), (b, PROMPT[:2])])
    rows = model.feed([(b, [11]), *((o, [n]) for n, o in enumerate(others)), (a, [9])])
    assert np.array_equal(rows[-1], alone[0])
    assert np.array_equal(rows[0], alone[1])


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write(path, {"general.architecture": "bert"}, {})
    with pytest.raises(ModelError, match="'bert'"):
        NumpyLlama(File(path))


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGML" + bytes(100))
    with pytest.raises(ModelError, match="not a GGUF file"):
        File(path)
