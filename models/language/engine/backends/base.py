"""The two ports below the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..job import Job, Piece


Kind = Literal["causal", "seq2seq", "llava"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What runs which weights, and how."""

    backend: str
    weights: Path
    """A folder in Hugging Face's layout, or a GGUF file."""
    kind: Kind
    slots: int
    """Most sequences at a time."""
    context: int | None
    """Most tokens of one, where somebody has said so."""
    threads: int
    """Processors to compute with."""


class Backend(Protocol):
    """A model that is fed step by step. Called by one thread only."""

    context: int
    """Most tokens of one sequence, prompt and text together."""
    vocab: int
    slots: int
    """Most sequences at a time."""
    chunk: int
    """Prompts are fed in pieces of so many tokens, so that a long one doesn't hold up the others."""

    def start(self, prompt: Sequence[int], room: int, image: Any = None) -> tuple[Any, list[int]]:
        """Make place for a sequence of `room` tokens: its state, and the tokens to be fed first."""

    def feed(self, work: Sequence[tuple[Any, Sequence[int]]]) -> NDArray[np.floating]:
        """Add tokens to each of these sequences; the scores for what follows, a row each."""

    def end(self, state: Any) -> None:
        """The sequence is over: its place is free."""

    def close(self) -> None:
        """Let go of the model."""


class Source(Protocol):
    """What runs jobs: the scheduler over a backend, or a library that has a scheduler of its own."""

    context: int
    """Most tokens of one sequence, prompt and text together."""

    def run(self, job: Job) -> AsyncIterator[Piece]:
        """The text of a job as it is made, `Piece.ended` in the last. Closing the iterator ends the job."""

    def close(self) -> None:
        """End what runs, and let go of the model."""
