"""From a model's card to an engine: where its weights are, and what runs them here.

Environment (cog.yaml's `environment`, or for all models of a server HEARTH_MODEL_ENVIRONMENT):
  MODEL_WEIGHTS     a folder or a GGUF file: the weights, whatever the card says
  MODEL_STORE       a folder with weights by the model's name or hub id: `<store>/meta/llama-2-7b-chat/…`
  MODEL_DOWNLOADS   1: fetch from the Hugging Face hub what isn't there (HF_TOKEN for what asks for a licence)
  MODEL_BACKEND     numpy, transformers, llama_cpp or vllm: that one, instead of the choice below
  MODEL_SLOTS       most generations at a time
  MODEL_CONTEXT     most tokens of one, for llama.cpp and vLLM, which set memory aside for them
  MODEL_THREADS     processors to compute with, for llama.cpp and transformers; all of them where it isn't said
  MODEL_RANDOM      1: tiny random weights where there are none, for tests; the text is noise
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .backends.base import Kind, Plan, Source
from .engine import Engine
from .errors import ModelError

if TYPE_CHECKING:
    from .tokenizer import Tokenizer

D = TypeVar("D", int, None)
SLOTS = 16
LARGEST = 256 << 20
"""Bytes of a file that numpy is quick enough for."""
BACKENDS = {"numpy": "numpy", "transformers": "torch", "llama_cpp": "xllamacpp", "vllm": "vllm"}
"""What can be chosen, and the module that it needs."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a package says of its model."""

    name: str
    """`owner/name`."""
    hub: str | None = None
    """Its id on the Hugging Face hub."""
    template: str | None = None
    """A format string for prompts; None: the chat template that comes with the weights."""
    weights: Path | None = None
    """Weights that come with the package."""
    kind: Kind = "causal"


def load(card: Card, environment: Mapping[str, str] = os.environ) -> Engine:
    """Raises ModelError, which says how to get what is missing."""
    path = find(card, environment)
    if path is None:
        from .testing import random_gguf

        path = random_gguf(Path(tempfile.mkdtemp(prefix="random-weights-")) / "random.gguf")
        print(f"WARNING: {card.name} has RANDOM WEIGHTS, made for a test: its text is noise")
    name = choose(path, environment.get("MODEL_BACKEND", ""), card.kind)
    if name == "numpy" and path.stat().st_size > LARGEST:
        print(
            f"{path.name} is large for numpy: add xllamacpp to the model's requirements, and it is many times as quick"
        )
    plan = Plan(
        backend=name,
        weights=path,
        kind=card.kind,
        slots=_number(environment, "MODEL_SLOTS", SLOTS),
        context=_number(environment, "MODEL_CONTEXT", None),
        threads=_number(environment, "MODEL_THREADS", _processors()),
    )
    source, words = _opened(plan)
    print(f"{card.name}: {path.name} by {name}, {plan.slots} at a time, {source.context} tokens of context")
    return Engine(source, words, template=card.template)


def find(card: Card, environment: Mapping[str, str]) -> Path | None:
    """A folder in Hugging Face's layout, or a GGUF file. None: random ones are allowed, and there are no others."""
    if given := environment.get("MODEL_WEIGHTS"):
        path = Path(given)
        if not path.exists():
            raise ModelError(f"MODEL_WEIGHTS names {given}, which is not there")
        return _weights(path)
    places = [card.weights] if card.weights else []
    if store := environment.get("MODEL_STORE"):
        places += [Path(store) / name for name in (card.name, card.hub) if name]
    for place in places:
        for path in (place, place.with_name(place.name + ".gguf")):
            if path.exists():
                return _weights(path)
    if card.hub and environment.get("MODEL_DOWNLOADS") == "1":
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(card.hub, ignore_patterns=["*.gguf", "original/*", "*.pth", "consolidated*"]))
    if environment.get("MODEL_RANDOM") == "1":
        return None
    raise ModelError(_advice(card))


def choose(path: Path, forced: str, kind: Kind = "causal") -> str:
    """What runs these weights here: vLLM on a GPU (no pictures, no encoders), llama.cpp or numpy for GGUF files,
    transformers otherwise."""
    if forced:
        if forced not in BACKENDS:
            raise ModelError(f"MODEL_BACKEND is {forced!r}: use one of {', '.join(BACKENDS)}")
        if not _has(BACKENDS[forced]):
            missing = f"MODEL_BACKEND is {forced}, and the model's requirements have no {BACKENDS[forced]}: add it"
            raise ModelError(missing)
        if forced == "vllm" and kind != "causal":
            raise ModelError("MODEL_BACKEND is vllm, which runs models of text alone here: use transformers")
        return forced
    if path.suffix == ".gguf":
        return "llama_cpp" if _has(BACKENDS["llama_cpp"]) else "numpy"
    return "vllm" if kind == "causal" and _has("vllm") and _has_gpu() else "transformers"


def _opened(plan: Plan) -> tuple[Source, Tokenizer]:
    if plan.backend == "vllm":  # which has a process of its own
        from .backends.vllm import Vllm

        words = _tokenizer(plan.weights)
        return Vllm(plan.weights, words, slots=plan.slots, context=plan.context), words
    from .apart import Process  # that process itself does without an event loop

    process = Process(plan)
    try:
        words = _tokenizer(plan.weights)  # while the model is loaded there
        return process.wait(), words
    except BaseException:
        process.close()
        raise


def _tokenizer(weights: Path) -> Tokenizer:
    from .tokenizer import of_weights  # late: its libraries take a while to import

    return of_weights(weights)


def _processors() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _number(environment: Mapping[str, str], name: str, default: D) -> int | D:
    if not (text := environment.get(name)):
        return default
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(f"{name} is {text!r}: use a number from 1 on")
    return int(text)


def _weights(path: Path) -> Path:
    """The GGUF file of a folder that holds one and no other weights; else the path itself."""
    if path.is_dir() and not (path / "config.json").is_file():
        found = sorted(path.glob("*.gguf"))
        if not found:
            raise ModelError(f"{path} holds no weights: neither config.json with safetensors nor a .gguf file")
        return found[0]
    return path


def _advice(card: Card) -> str:
    hub = card.hub or "OWNER/NAME"
    ways = [
        f"put them into <store>/{card.name} (a folder as `hf download {hub}` makes it, or one with a .gguf file) and "
        "set MODEL_STORE=<store>",
        "set MODEL_WEIGHTS to a folder or a .gguf file",
    ]
    if card.hub:
        ways.append(f"set MODEL_DOWNLOADS=1, and {card.hub} is fetched from the Hugging Face hub (HF_TOKEN for gated)")
    return (
        f"The weights of {card.name} are not here. One of these gets them: {'; '.join(ways)}. Variables of models "
        "are set for all of them by HEARTH_MODEL_ENVIRONMENT, a JSON object, on the server."
    )


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))
