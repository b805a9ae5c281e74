"""The numpy encoder of examples/search, against the same network written out one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

WIDTH, INNER, HEADS, LAYERS, WORDS, LENGTH = 8, 12, 2, 2, 20, 16
Weights = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def minilm(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("search/minilm.py")


@pytest.fixture(scope="module")
def weights() -> Weights:
    chance = np.random.default_rng(7)
    made: Weights = {}

    def add(name: str, *shape: int) -> None:
        made[name] = chance.normal(0, 0.5, shape).astype(np.float32)

    def dense(name: str, rows: int, columns: int) -> None:
        add(name + ".weight", rows, columns)
        add(name + ".bias", rows)

    add("embeddings.word_embeddings.weight", WORDS, WIDTH)
    add("embeddings.position_embeddings.weight", LENGTH, WIDTH)
    add("embeddings.token_type_embeddings.weight", 2, WIDTH)
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for part in (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ):
            dense(prefix + part, WIDTH, WIDTH)
        dense(prefix + "intermediate.dense", INNER, WIDTH)
        dense(prefix + "output.dense", WIDTH, INNER)
        norms += [prefix + "attention.output.LayerNorm", prefix + "output.LayerNorm"]
    for norm in norms:
        add(norm + ".weight", WIDTH)
        add(norm + ".bias", WIDTH)
        made[norm + ".bias"] *= 0.1  # or it would drown what the sentence says
    return made


def by_hand(weights: Weights, ids: list[int]) -> list[float]:
    """The encoder's definition in plain Python: loops over tokens, heads and coordinates."""

    def linear(row: list[float], name: str) -> list[float]:
        matrix, bias = weights[name + ".weight"], weights[name + ".bias"]
        return [
            sum(float(w) * x for w, x in zip(line, row, strict=True)) + float(b)
            for line, b in zip(matrix, bias, strict=True)
        ]

    def normalise(row: list[float], name: str) -> list[float]:
        mean = sum(row) / len(row)
        spread = math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + 1e-12)
        scale, shift = weights[name + ".weight"], weights[name + ".bias"]
        return [(x - mean) / spread * float(s) + float(b) for x, s, b in zip(row, scale, shift, strict=True)]

    def plus(*rows: list[float]) -> list[float]:
        return [sum(values) for values in zip(*rows, strict=True)]

    def embedding(name: str, row: int) -> list[float]:
        return [float(x) for x in weights[f"embeddings.{name}_embeddings.weight"][row]]

    x = [
        normalise(
            plus(embedding("word", id), embedding("position", place), embedding("token_type", 0)),
            "embeddings.LayerNorm",
        )
        for place, id in enumerate(ids)
    ]
    part = WIDTH // HEADS
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        query, key, value = (
            [linear(row, f"{prefix}attention.self.{name}") for row in x] for name in ("query", "key", "value")
        )
        attended: list[list[float]] = []
        for place in range(len(ids)):
            row: list[float] = []
            for head in range(HEADS):
                own = slice(head * part, (head + 1) * part)
                scores = [
                    sum(a * b for a, b in zip(query[place][own], other[own], strict=True)) / math.sqrt(part)
                    for other in key
                ]
                total = sum(math.exp(score) for score in scores)
                shares = [math.exp(score) / total for score in scores]
                row += [
                    sum(share * other[own][i] for share, other in zip(shares, value, strict=True)) for i in range(part)
                ]
            attended.append(linear(row, prefix + "attention.output.dense"))
        x = [normalise(plus(a, b), prefix + "attention.output.LayerNorm") for a, b in zip(x, attended, strict=True)]
        inner = [
            [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in linear(row, prefix + "intermediate.dense")]
            for row in x
        ]
        x = [
            normalise(plus(a, linear(b, prefix + "output.dense")), prefix + "output.LayerNorm")
            for a, b in zip(x, inner, strict=True)
        ]
    mean = [sum(column) / len(ids) for column in zip(*x, strict=True)]
    length = math.sqrt(sum(value * value for value in mean))
    return [value / length for value in mean]


SENTENCES = [[1, 2, 3, 4, 5], [6], [7, 8, 9, 10, 11, 12, 13, 14, 15], [3, 3], [5, 4, 3, 2, 1]]


def test_the_vectors_are_those_of_the_definition(minilm: ModuleType, weights: Weights) -> None:
    vectors = minilm.Encoder(weights, heads=HEADS, epsilon=1e-12).encode(SENTENCES)
    np.testing.assert_allclose(vectors, [by_hand(weights, ids) for ids in SENTENCES], atol=2e-5)


def test_a_sentence_does_not_feel_its_batch(
    minilm: ModuleType, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = minilm.Encoder(weights, heads=HEADS, epsilon=1e-12)
    together = encoder.encode(SENTENCES)
    monkeypatch.setattr(minilm, "TOKENS_AT_ONCE", 1)
    np.testing.assert_allclose(together, encoder.encode(SENTENCES), atol=1e-6)


def test_word_order_counts(minilm: ModuleType, weights: Weights) -> None:
    first, *_, turned = minilm.Encoder(weights, heads=HEADS, epsilon=1e-12).encode(SENTENCES)
    assert abs(first - turned).max() > 0.01


def test_no_sentences_give_no_rows(minilm: ModuleType, weights: Weights) -> None:
    assert minilm.Encoder(weights, heads=HEADS, epsilon=1e-12).encode([]).shape == (0, WIDTH)


def test_gelu_is_exact_to_single_precision(minilm: ModuleType) -> None:
    x = np.linspace(-12, 12, 4801, dtype=np.float32)
    exact = [float(v) * 0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in x]
    np.testing.assert_allclose(minilm.gelu(x), exact, atol=2e-6)
    assert minilm.gelu(x).dtype == np.float32
