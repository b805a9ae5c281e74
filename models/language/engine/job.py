"""One generation, as the parts of the engine hand it to each other: plain data, which goes from process to process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from .grammar import Shape
from .sampling import Params

Reason = Literal["stop", "length"]


class Piece(NamedTuple):
    """What a step added: text (none while some is held back), and how many tokens there are by now."""

    text: str
    tokens: int
    ended: Reason | None = None
    complete: bool = True
    """At the end: the text is all that its grammar wants; one that ran out of tokens may not be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    prompt: Sequence[int]
    params: Params
    lead: bool = True
    """False: a blank at the very beginning is the tokenizer's, and no part of the text."""
    shape: Shape
    image: Any = None
    """A picture's path."""
