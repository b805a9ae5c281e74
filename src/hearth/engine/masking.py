"""Secret values are taken out of everything a model prints, returns or raises."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MASK = "**********"
SHORTEST = 4
"""Characters. Shorter values would blot out half of an ordinary text and protect nothing."""


class Masker:
    """Knows the secret values of one prediction. False if there are none worth hiding."""

    __slots__ = ("_pattern", "_values")

    def __init__(self, values: Iterable[str]) -> None:
        self._values = sorted({v for v in values if len(v) >= SHORTEST}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._values))) if self._values else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """Any JSON value with every string in it masked, keys too."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self._pattern.sub(MASK, value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return value

    def safe(self, text: str) -> int:
        """How much of `text` can be masked and shown now: what follows could be the beginning of a secret."""
        cut = len(text)
        for value in self._values:
            start = max(len(text) - len(value) + 1, 0)
            while (start := text.find(value[0], start)) >= 0:
                if value.startswith(text[start:]):
                    cut = min(cut, start)
                    break
                start += 1
        if self._pattern is not None and cut < len(text):
            for match in self._pattern.finditer(text):
                if match.start() < cut < match.end():
                    return match.start()
        return cut


class MaskedText:
    """A text that comes in pieces: a secret that is split between two of them is found all the same.

    Only an end that could be the beginning of a secret is held back, until the next piece or `rest`.
    """

    __slots__ = ("_held", "_masker")

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""

    def feed(self, piece: str) -> str:
        if not self._masker:
            return piece
        text = self._held + piece
        cut = self._masker.safe(text)
        self._held = text[cut:]
        return self._masker.text(text[:cut])

    def rest(self) -> str:
        held, self._held = self._held, ""
        return self._masker.text(held)


def strings(value: Any) -> Iterable[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
