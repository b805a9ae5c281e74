"""Llama in numpy, for small GGUF files: starts in a fraction of a second and needs no framework.

A sequence's numbers are the same to the last bit whatever runs beside it: a prompt's rows are multiplied by
themselves, single rows in tiles of one size, and attention is computed by sequence. So a seed gives one text, alone
or among many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..gguf import File

Floats = NDArray[np.float32]
_CACHED = 48 << 20
"""Weights up to here stay in the processor's cache: row by row is as quick as several rows at a time."""
_TILE = 8


class Arena:
    """Memory for all weights in one piece. Linux maps it in pages of 2 MB (numpy asks for that from 4 MB on): in small
    ones a processor takes longer to find a weight than to read it."""

    def __init__(self, numbers: int) -> None:
        self._free = np.empty(numbers, np.float32)

    def keep(self, *matrices: Floats) -> Floats:
        """Several with rows of the same length as one, and on its side: a row of numbers times that is the quicker
        product."""
        width, heights = matrices[0].shape[-1], [len(matrix) for matrix in matrices]
        kept = self._free[: width * sum(heights)].reshape(width, -1)
        self._free = self._free[kept.size :]
        at = 0
        for matrix, height in zip(matrices, heights, strict=True):
            kept[:, at : at + height] = matrix.T
            at += height
        return kept


class State:
    """Keys and values of one sequence, by layer."""

    def __init__(self, layers: int, heads: int, room: int, size: int) -> None:
        self.keys = np.empty((layers, heads, room, size), np.float32)
        self.values = np.empty((layers, heads, room, size), np.float32)
        self.length = 0


class NumpyLlama:
    def __init__(self, file: File, *, slots: int = 16) -> None:
        settings = file.settings
        if settings.get("general.architecture") != "llama" or settings.get("llama.expert_count"):
            kind = settings.get("general.architecture")
            raise ModelError(f"{file.path.name} is of the kind {kind!r}: the numpy backend runs plain llama files")
        self.slots, self.chunk = slots, 64
        self.context = int(settings["llama.context_length"])
        self._layers = int(settings["llama.block_count"])
        self._heads = int(settings["llama.attention.head_count"])
        self._kv = int(settings.get("llama.attention.head_count_kv", self._heads))
        self._epsilon = np.float32(settings["llama.attention.layer_norm_rms_epsilon"])
        self._embedding = file.read("token_embd.weight")
        self.vocab, width = self._embedding.shape
        self._size = int(settings.get("llama.attention.key_length", width // self._heads))
        arena = Arena(self._embedding.size + sum(math.prod(tensor.shape) for tensor in file.tensors.values()))
        self._output = arena.keep(file.read("output.weight") if "output.weight" in file.tensors else self._embedding)
        self._norm = file.read("output_norm.weight")
        self._blocks = [self._block(file, n, arena) for n in range(self._layers)]
        weights = sum(matrix.nbytes for block in self._blocks for matrix in block.values())
        self._tile = 1 if weights <= _CACHED else _TILE
        self._cos, self._sin = self._turns(file)

    def _block(self, file: File, number: int, arena: Arena) -> dict[str, Floats]:
        """One layer, with matrices of the same input in one."""

        def read(name: str) -> Floats:
            return file.read(f"blk.{number}.{name}.weight")

        q, k = in_halves(read("attn_q"), self._heads), in_halves(read("attn_k"), self._kv)
        return {
            "attn_norm": read("attn_norm"),
            "qkv": arena.keep(q, k, read("attn_v")),
            "attn_output": arena.keep(read("attn_output")),
            "ffn_norm": read("ffn_norm"),
            "gate_up": arena.keep(read("ffn_gate"), read("ffn_up")),
            "ffn_down": arena.keep(read("ffn_down")),
        }

    def _turns(self, file: File) -> tuple[Floats, Floats]:
        base = float(file.settings.get("llama.rope.freq_base", 10000.0))
        steps = base ** (-np.arange(0, self._size, 2) / self._size)
        if "rope_freqs.weight" in file.tensors:
            steps = steps / file.read("rope_freqs.weight")
        angles = np.arange(self.context)[:, None] * steps
        return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[State, list[int]]:
        return State(self._layers, self._kv, room, self._size), list(prompt)

    def end(self, state: State) -> None:
        """The state's memory goes with it."""

    def close(self) -> None:
        """The weights' memory goes with this object."""

    def feed(self, work: Sequence[tuple[State, Sequence[int]]]) -> Floats:
        order = sorted(range(len(work)), key=lambda n: len(work[n][1]) > 1)  # single rows first
        spans, at = [], 0
        for state, tokens in (work[n] for n in order):
            spans.append((state, at, at + len(tokens)))
            at += len(tokens)
        x = self._embedding[[token for n in order for token in work[n][1]]]
        long = [(begin, end) for _, begin, end in spans if end - begin > 1]
        places = np.concatenate([np.arange(s.length, s.length + end - begin) for s, begin, end in spans])
        cos, sin = self._cos[places][:, None], self._sin[places][:, None]
        for number, block in enumerate(self._blocks):
            mixed = self._product(self._normal(x, block["attn_norm"]), block["qkv"], long)
            x = x + self._product(self._attended(number, mixed, cos, sin, spans), block["attn_output"], long)
            both = self._product(self._normal(x, block["ffn_norm"]), block["gate_up"], long)
            gate, up = both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
            x = x + self._product(gate / (1 + np.exp(-gate)) * up, block["ffn_down"], long)
        for state, begin, end in spans:
            state.length += end - begin
        last = x[[end - 1 for _, _, end in spans]]
        scores = np.empty((len(work), self.vocab), np.float32)
        scores[order] = self._product(self._normal(last, self._norm), self._output)
        return scores

    def _attended(self, number: int, mixed: Floats, cos: Floats, sin: Floats, spans: list[Any]) -> Floats:
        heads, kv, size, rows = self._heads, self._kv, self._size, len(mixed)
        mixed = mixed.reshape(rows, heads + 2 * kv, size)
        turned = _turn(mixed[:, : heads + kv], cos, sin)
        queries = (turned[:, :heads] * np.float32(1 / math.sqrt(size))).reshape(rows, kv, heads // kv, size)
        out = np.empty((rows, heads * size), np.float32)
        for state, begin, end in spans:
            new, length = end - begin, state.length + end - begin
            keys, values = state.keys[number], state.values[number]
            keys[:, state.length : length] = turned[begin:end, heads:].swapaxes(0, 1)
            values[:, state.length : length] = mixed[begin:end, heads + kv :].swapaxes(0, 1)
            asked = queries[begin:end].transpose(1, 2, 0, 3).reshape(kv, -1, size)
            scores = (asked @ keys[:, :length].swapaxes(1, 2)).reshape(kv, -1, new, length)
            if new > 1:
                scores += np.triu(np.full((new, length), -np.inf, np.float32), state.length + 1)
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            seen = scores.reshape(kv, -1, length) @ values[:, :length]
            out[begin:end] = seen.reshape(heads, new, size).swapaxes(0, 1).reshape(new, -1)
        return out

    def _normal(self, x: Floats, weight: Floats) -> Floats:
        squares = np.add.reduce(x * x, axis=-1, keepdims=True) / np.float32(x.shape[-1])
        return x / np.sqrt(squares + self._epsilon) * weight

    def _product(self, x: Floats, weight: Floats, long: Sequence[tuple[int, int]] = ()) -> Floats:
        """x times the matrix. `long`: the rows of each prompt, behind the single ones; products of other sizes are
        rounded in other ways, so none is computed together with what happens to be beside it."""
        singles = long[0][0] if long else len(x)
        out = np.empty((len(x), weight.shape[1]), np.float32)
        if singles:
            tiled = x[:singles]
            if rest := -singles % self._tile:
                tiled = np.concatenate([tiled, np.zeros((rest, x.shape[1]), np.float32)])
            tiles = tiled.reshape(-1, self._tile, x.shape[1]) @ weight
            out[:singles] = tiles.reshape(-1, weight.shape[1])[:singles]
        for begin, end in long:
            np.matmul(x[begin:end], weight, out=out[begin:end])
        return out


def _turn(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """Rotary positions."""
    half = x.shape[-1] // 2
    left, right = x[..., :half], x[..., half:]
    return np.concatenate([left * cos - right * sin, right * cos + left * sin], axis=-1)


def in_halves(weight: Floats, heads: int) -> Floats:
    """llama.cpp keeps the two numbers that are turned together side by side; here they are half a row apart."""
    rows = weight.shape[0] // heads
    return weight.reshape(heads, rows // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)
