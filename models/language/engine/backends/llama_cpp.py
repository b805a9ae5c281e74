"""llama.cpp, for GGUF files of any kind and size: all sequences in one batch of its C interface.

llama-cpp-python has to be installed; it is compiled for the machine (`pip install llama-cpp-python`, minutes).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

BATCH = 512


class Slot:
    """One of llama.cpp's sequences."""

    def __init__(self, number: int) -> None:
        self.number, self.length = number, 0


class LlamaCpp:
    def __init__(self, path: Path, *, slots: int, context: int, threads: int) -> None:
        """`context`: memory is set aside for so many tokens in each slot."""
        llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 999  # all, where it was built for a GPU
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
        if not self._model:
            raise ModelError(f"llama.cpp can't load {path.name}")
        self.slots, self.chunk = slots, BATCH // 4
        self.context = min(context, llama_cpp.llama_model_n_ctx_train(self._model))
        self.vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        options = llama_cpp.llama_context_default_params()
        options.n_ctx, options.n_seq_max = self.context * slots, slots
        options.n_batch = options.n_ubatch = BATCH
        options.n_threads = options.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, options)
        if not self._context:
            llama_cpp.llama_model_free(self._model)
            raise ModelError(
                f"there is no memory for {slots} times {self.context} tokens: lower MODEL_CONTEXT or MODEL_SLOTS"
            )
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(BATCH, 0, 1)
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
                found = llama_cpp.llama_get_logits_ith(self._context, at)
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
        if code := llama_cpp.llama_decode(self._context, batch):
            raise RuntimeError(f"llama.cpp failed to decode a batch ({code})")

    def end(self, state: Slot) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, state.number, -1, -1)
        self._free.append(state.number)
        self._free.sort()

    def close(self) -> None:
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)


@llama_cpp.llama_log_callback
def _quiet(level: int, text: bytes, data: Any) -> None:
    """Errors come as exceptions; the rest is about its own inside."""
