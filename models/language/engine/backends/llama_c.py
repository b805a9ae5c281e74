"""The C interface of llama.cpp (its `include/llama.h`), as far as it is used here, out of the wheel of xllamacpp: built
for the processor, with all functions of the interface in sight.

The structures of options change from one release of llama.cpp to the next. So they are opaque here: the library fills
them in, the four numbers at the front of the context's, which have kept their places, are set, and whether they mean
what they meant is seen before and after.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int8, c_int32, c_uint32, c_void_p
from pathlib import Path
from typing import Any

from ..errors import ModelError

DEFAULTS = (512, 2048, 512, 1)
"""n_ctx, n_batch, n_ubatch and n_seq_max, as `llama_context_default_params` has them."""


class Options(ctypes.Structure):
    """Of a model or a context: larger than either, which the callee doesn't mind. Words of 32 bits."""

    _fields_ = [("words", c_uint32 * 256)]


class Batch(ctypes.Structure):
    """Tokens of one step, each with its place in one or more sequences. `logits`: whether its scores are wanted."""

    _fields_ = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [c_void_p, c_void_p]),
    "llama_model_default_params": (Options, []),
    "llama_model_load_from_file": (c_void_p, [c_char_p, Options]),
    "llama_model_free": (None, [c_void_p]),
    "llama_model_n_ctx_train": (c_int32, [c_void_p]),
    "llama_model_get_vocab": (c_void_p, [c_void_p]),
    "llama_vocab_n_tokens": (c_int32, [c_void_p]),
    "llama_context_default_params": (Options, []),
    "llama_init_from_model": (c_void_p, [c_void_p, Options]),
    "llama_free": (None, [c_void_p]),
    "llama_n_batch": (c_uint32, [c_void_p]),
    "llama_n_ubatch": (c_uint32, [c_void_p]),
    "llama_n_seq_max": (c_uint32, [c_void_p]),
    "llama_set_n_threads": (None, [c_void_p, c_int32, c_int32]),
    "llama_get_memory": (c_void_p, [c_void_p]),
    "llama_memory_seq_rm": (c_bool, [c_void_p, c_int32, c_int32, c_int32]),
    "llama_batch_init": (Batch, [c_int32, c_int32, c_int32]),
    "llama_batch_free": (None, [Batch]),
    "llama_decode": (c_int32, [c_void_p, Batch]),
    "llama_get_logits_ith": (POINTER(c_float), [c_void_p, c_int32]),
}


@ctypes.CFUNCTYPE(None, ctypes.c_int, c_char_p, c_void_p)
def _quiet(level: int, text: bytes, data: Any) -> None:
    """Errors come as results; the rest is about its own inside."""


def library() -> Any:
    """The library, ready. Raises ModelError."""
    spec = importlib.util.find_spec("xllamacpp")
    folders = spec.submodule_search_locations if spec is not None else None
    path = next((path for folder in folders or () for path in Path(folder).glob("xllamacpp*.so")), None)
    if path is None:
        raise ModelError("there is no library of llama.cpp in xllamacpp: install its wheel for this system")
    try:
        found = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        hint = "; install libgomp1 (`apt install libgomp1`)" if "libgomp" in str(error) else ""
        raise ModelError(f"llama.cpp can't be loaded from {path.name}: {error}{hint}") from None
    found.llama_log_set(_quiet, None)
    found.llama_backend_init()
    if tuple(found.llama_context_default_params().words[:4]) != DEFAULTS:
        raise ModelError("this release of xllamacpp has options in other places: install the one that is required")
    return found


def context(lib: Any, model: int, *, tokens: int, batch: int, sequences: int) -> int | None:
    """`tokens`: of all sequences together. None: there is no memory for it. Raises ModelError."""
    options = lib.llama_context_default_params()
    options.words[:4] = tokens, batch, batch, sequences
    made: int | None = lib.llama_init_from_model(model, options)
    if made is None:
        return None
    if (lib.llama_n_batch(made), lib.llama_n_ubatch(made), lib.llama_n_seq_max(made)) != (batch, batch, sequences):
        lib.llama_free(made)
        raise ModelError("this release of xllamacpp reads its options otherwise: install the one that is required")
    return made
