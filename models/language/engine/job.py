"""One generation, as the parts of the engine hand it to each other: plain data, which goes from process to process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from .shape import Shape

Reason = Literal["stop", "length"]


@dataclass(frozen=True, kw_only=True)
class Params:
    seed: int
    max_tokens: int = 512
    min_tokens: int = 0
    """Until then the model can't end, and stop sequences have no effect."""
    temperature: float = 1.0
    top_p: float = 1.0
    """Only the likeliest tokens that together have this probability; 0: only the likeliest."""
    top_k: int = 0
    """Only so many of the likeliest tokens; 0 or less: all."""
    repetition_penalty: float = 1.0
    """From 1: scores of tokens in the prompt and the text so far are divided by it (multiplied, if negative).
    Between 0 and 1: that much is taken off per occurrence in the text, as by `frequency_penalty`. 0: off."""
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()


class Piece(NamedTuple):
    """What a step added: text (none while some is held back), and how many tokens there are by now."""

    text: str
    tokens: int
    read: int
    """Tokens of the prompt, a picture's included."""
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


Word = Piece | Exception
"""What comes of a step."""
