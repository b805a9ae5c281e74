"""The engine of the language models is a package of its own, beside Hearth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "models" / "language"))

from engine import Engine
from engine.backends.numpy_llama import NumpyLlama
from engine.gguf import File
from engine.scheduler import Scheduler
from engine.testing import beside, random_gguf
from engine.tokenizer import from_gguf


@pytest.fixture
def engine_of(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Makes engines over tiny random models; `slots` and what `random_gguf` takes."""
    made: list[Engine] = []

    def make(*, slots: int = 4, **model: Any) -> Engine:
        file = File(random_gguf(tmp_path / f"{len(made)}.gguf", **model))
        words = from_gguf(file)
        made.append(Engine(beside(Scheduler(NumpyLlama(file, slots=slots), words)), words))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
