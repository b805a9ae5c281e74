"""For tests: tiny models of random weights, in a GGUF file of the format that the real ones have; and the model's
process as a thread."""

from __future__ import annotations

import multiprocessing
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np

from .apart import Apart
from .gguf import F16, F32, Q8_0
from .scheduler import Scheduler
from .serving import serve
from .tokenizer import byte_names

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIALS = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
_KINDS = {bool: 7, int: 4, float: 6, str: 8}


def beside(scheduler: Scheduler) -> Apart:
    """The scheduler in a thread of this process, behind the same connection."""
    ours, theirs = multiprocessing.Pipe()
    threading.Thread(target=serve, args=(theirs, scheduler), name="model", daemon=True).start()
    return Apart(ours).wait()


def random_gguf(
    path: Path,
    *,
    seed: int = 0,
    width: int = 32,
    layers: int = 2,
    heads: int = 4,
    kv_heads: int = 2,
    context: int = 512,
    kind: int = F32,
    words: tuple[str, ...] = (),
    template: str | None = TEMPLATE,
    sharpness: float = 1.0,
) -> Path:
    """A byte-level llama of some ten thousand parameters. `words` are tokens beyond the 256 bytes; the higher
    `sharpness`, the surer the model is of its noise."""
    rng = np.random.default_rng(seed)
    names = {byte[0]: name for name, byte in byte_names().items()}
    spelled = ["".join(names[byte] for byte in word.encode()) for word in words]
    vocab = [*SPECIALS, *(names[byte] for byte in range(256)), *spelled]
    vocab += [f"<unused{n}>" for n in range(-len(vocab) % 32)]
    settings: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "random",
        "llama.context_length": context,
        "llama.embedding_length": width,
        "llama.block_count": layers,
        "llama.feed_forward_length": 2 * width,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv_heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10000.0,
        "llama.rope.dimension_count": width // heads,
        "llama.vocab_size": len(vocab),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": vocab,
        "tokenizer.ggml.token_type": [3 if name.startswith("<") and len(name) > 1 else 1 for name in vocab],
        "tokenizer.ggml.merges": _merges(spelled),
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
    }
    if template is not None:
        settings["tokenizer.chat_template"] = template
    size, hidden = width // heads, 2 * width

    def matrix(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        return (rng.standard_normal((rows, columns)) * scale / columns**0.5).astype(np.float32)

    ones = np.ones(width, np.float32)
    tensors = {"token_embd.weight": matrix(len(vocab), width, 3), "output_norm.weight": ones}
    tensors["output.weight"] = matrix(len(vocab), width, sharpness)
    for n in range(layers):
        tensors |= {
            f"blk.{n}.attn_norm.weight": ones,
            f"blk.{n}.attn_q.weight": matrix(heads * size, width),
            f"blk.{n}.attn_k.weight": matrix(kv_heads * size, width),
            f"blk.{n}.attn_v.weight": matrix(kv_heads * size, width),
            f"blk.{n}.attn_output.weight": matrix(width, heads * size),
            f"blk.{n}.ffn_norm.weight": ones,
            f"blk.{n}.ffn_gate.weight": matrix(hidden, width),
            f"blk.{n}.ffn_up.weight": matrix(hidden, width),
            f"blk.{n}.ffn_down.weight": matrix(width, hidden),
        }
    write(path, settings, tensors, kind)
    return path


def write(path: Path, settings: dict[str, Any], tensors: dict[str, np.ndarray], kind: int = F32) -> None:
    """A GGUF file; matrices in `kind`, the rest in 32 bits."""
    head = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(settings))]
    for key, value in settings.items():
        head += [_text(key), *_value(value)]
    data, at = [], 0
    for name, tensor in tensors.items():
        of = kind if tensor.ndim > 1 else F32
        packed = _packed(tensor, of)
        head += [_text(name), struct.pack("<I", tensor.ndim), struct.pack(f"<{tensor.ndim}Q", *tensor.shape[::-1])]
        head.append(struct.pack("<IQ", of, at))
        data.append(packed + bytes(-len(packed) % 32))
        at += len(data[-1])
    start = b"".join(head)
    path.write_bytes(start + bytes(-len(start) % 32) + b"".join(data))


def _packed(tensor: np.ndarray, kind: int) -> bytes:
    if kind == Q8_0:
        blocks = tensor.reshape(-1, 32)
        scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
        values = np.round(blocks / np.maximum(scales.astype(np.float32), 1e-12)).clip(-127, 127).astype(np.int8)
        return b"".join(s.tobytes() + v.tobytes() for s, v in zip(scales, values, strict=True))
    return tensor.astype("<f2" if kind == F16 else "<f4").tobytes()


def _merges(words: list[str]) -> list[str]:
    """Joins that build each word from the left; every beginning has to be one of the words too."""
    return [f"{word[:-1]} {word[-1]}" for word in words]


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> list[bytes]:
    if isinstance(value, list):
        kind = {**_KINDS, int: 5}[type(value[0])] if value else 8  # integers in lists are signed
        return [struct.pack("<IIQ", 9, kind, len(value)), *(_plain(item) for item in value)]
    return [struct.pack("<I", _KINDS[type(value)]), _plain(value)]


def _plain(value: Any) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack({bool: "<?", int: "<I", float: "<f"}[type(value)], value)
