"""One generation, as the parts of the engine hand it to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from .grammar import Constraint, Shape
from .sampling import Params
from .text import Text

Reason = Literal["stop", "length"]


class Piece(NamedTuple):
    """What a step added: text (none while some is held back), and how many tokens there are by now."""

    text: str
    tokens: int
    ended: Reason | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    prompt: Sequence[int]
    params: Params
    ends: frozenset[int]
    text: Text
    shape: Shape
    constraint: Constraint | None = None
    image: Any = None
