"""The MiniLM sentence encoder in numpy: a BERT encoder, mean pooling, unit length.

The architecture is that of `sentence-transformers/all-MiniLM-L6-v2`; sizes are read from its
config.json, weights keep the names they have in its model.safetensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = Mapping[str, NDArray[Any]]

TOKENS_AT_ONCE = 1024  # keeps the widest intermediate (1536 floats a token) at 6 MB, near the cache


class Encoder:
    """Turns token ids into sentence vectors of length 1, so that a dot product is the cosine."""

    def __init__(self, weights: Weights, *, heads: int, epsilon: float) -> None:
        self._weights = weights
        self._heads = heads
        self._epsilon = np.float32(epsilon)
        self._layers = sum(name.endswith("attention.self.query.weight") for name in weights)

    def encode(self, sentences: Sequence[Sequence[int]]) -> Floats:
        """One row a sentence, in the order given. A sentence is its token ids with [CLS] and [SEP]."""
        width = self._weights["embeddings.word_embeddings.weight"].shape[1]
        vectors = np.empty((len(sentences), width), np.float32)
        by_length = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
        while by_length:  # sentences of like length share a batch, so that little of it is padding
            longest = len(sentences[by_length[-1]])
            size = max(1, TOKENS_AT_ONCE // longest)
            batch, by_length = by_length[-size:], by_length[:-size]
            ids = np.zeros((len(batch), longest), np.int64)
            mask = np.zeros((len(batch), longest), np.float32)
            for row, index in enumerate(batch):
                ids[row, : len(sentences[index])] = sentences[index]
                mask[row, : len(sentences[index])] = 1
            vectors[batch] = self._pool(self._hidden(ids, mask), mask)
        return vectors

    def _hidden(self, ids: NDArray[np.int64], mask: Floats) -> Floats:
        words = self._weights["embeddings.word_embeddings.weight"][ids]
        places = self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        x = self._normalise(words + places + kind, "embeddings.LayerNorm")
        hidden_from = ((1 - mask) * np.float32(-1e9))[:, None, None, :]  # added to a score, hides padding
        for number in range(self._layers):
            layer = f"encoder.layer.{number}."
            attended = self._linear(self._attend(x, hidden_from, layer), layer + "attention.output.dense")
            x = self._normalise(x + attended, layer + "attention.output.LayerNorm")
            inner = gelu(self._linear(x, layer + "intermediate.dense"))
            x = self._normalise(x + self._linear(inner, layer + "output.dense"), layer + "output.LayerNorm")
        return x

    def _attend(self, x: Floats, hidden_from: Floats, layer: str) -> Floats:
        batch, length, width = x.shape

        def split(name: str) -> Floats:
            part = self._linear(x, f"{layer}attention.self.{name}")
            return part.reshape(batch, length, self._heads, width // self._heads).transpose(0, 2, 1, 3)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(math.sqrt(width // self._heads)) + hidden_from
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)

    def _linear(self, x: Floats, name: str) -> Floats:
        result: Floats = x @ self._weights[name + ".weight"].T
        result += self._weights[name + ".bias"]
        return result

    def _normalise(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + self._epsilon)
        x *= self._weights[name + ".weight"]
        x += self._weights[name + ".bias"]
        return x

    @staticmethod
    def _pool(hidden: Floats, mask: Floats) -> Floats:
        summed = (hidden * mask[:, :, None]).sum(axis=1)
        mean = summed / mask.sum(axis=1, keepdims=True)
        unit: Floats = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit


def gelu(x: Floats) -> Floats:
    """x times the normal distribution function of x, to 2e-7.

    numpy has no error function: this is formula 7.1.26 of Abramowitz and Stegun, computed in place
    because the array is the largest of the network.
    """
    z = np.abs(x)
    z *= np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = np.full_like(x, 1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail *= t
        tail += np.float32(coefficient)
    tail *= t
    np.square(z, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    tail *= z
    tail *= np.float32(0.5)  # now the mass beyond |x|
    return np.where(x < 0, tail, 1 - tail) * x
