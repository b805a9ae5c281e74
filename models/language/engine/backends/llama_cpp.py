"""llama.cpp, for GGUF files of any kind and size: all sequences in one batch of its C interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from . import llama_c

BATCH = 512


class Slot:
    """One of llama.cpp's sequences."""

    def __init__(self, number: int) -> None:
        self.number, self.length = number, 0


class LlamaCpp:
    def __init__(self, path: Path, *, slots: int, context: int, threads: int) -> None:
        """`context`: memory is set aside for so many tokens in each slot."""
        self._lib = lib = llama_c.library()
        # All layers go to a GPU where it was built for one.
        self._model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
        if not self._model:
            raise ModelError(f"llama.cpp can't load {path.name}")
        self.slots, self.chunk = slots, BATCH // 4
        self.context = min(context, lib.llama_model_n_ctx_train(self._model))
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self._model))
        made = llama_c.context(lib, self._model, tokens=self.context * slots, batch=BATCH, sequences=slots)
        if made is None:
            lib.llama_model_free(self._model)
            raise ModelError(
                f"there is no memory for {slots} times {self.context} tokens: lower MODEL_CONTEXT or MODEL_SLOTS"
            )
        self._context = made
        lib.llama_set_n_threads(made, threads, threads)
        self._memory = lib.llama_get_memory(made)
        self._batch = lib.llama_batch_init(BATCH, 0, 1)
        self._free = list(range(slots))

    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[Slot, list[int]]:
        return Slot(self._free.pop(0)), list(prompt)

    def feed(self, work: Sequence[tuple[Slot, Sequence[int]]]) -> NDArray[np.floating]:
        scores = np.empty((len(work), self.vocab), np.float32)
        waiting = list(enumerate(work))
        while waiting:  # several chunks of prompts may be more than one batch
            taken, size = [], 0
            while waiting and size + len(waiting[0][1][1]) <= BATCH:
                taken.append(waiting.pop(0))
                size += len(taken[-1][1][1])
            self._decode([item for _, item in taken])
            at = -1
            for row, (_, tokens) in taken:
                at += len(tokens)
                found = self._lib.llama_get_logits_ith(self._context, at)
                scores[row] = np.ctypeslib.as_array(found, (self.vocab,))
        return scores

    def _decode(self, work: Sequence[tuple[Slot, Sequence[int]]]) -> None:
        batch, at = self._batch, 0
        for slot, tokens in work:
            for token in tokens:
                batch.token[at], batch.pos[at] = token, slot.length
                batch.n_seq_id[at], batch.seq_id[at][0] = 1, slot.number
                batch.logits[at] = False
                slot.length += 1
                at += 1
            batch.logits[at - 1] = True
        batch.n_tokens = at
        if code := self._lib.llama_decode(self._context, batch):
            raise RuntimeError(f"llama.cpp failed to decode a batch ({code})")

    def end(self, state: Slot) -> None:
        self._lib.llama_memory_seq_rm(self._memory, state.number, -1, -1)
        self._free.append(state.number)
        self._free.sort()

    def close(self) -> None:
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)
