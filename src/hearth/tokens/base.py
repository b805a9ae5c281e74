"""The port: tokenizers that models ship, and what they make of a text."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Token(NamedTuple):
    id: int
    text: str
    """Its part of the text. Those of all tokens, one behind the other, are the text: a token that only completes a
    character which began in the one before has none."""


class Unreadable(Exception):
    """A file that is no tokenizer. The message says why."""


class Tokenizer(Protocol):
    def split(self, text: str) -> list[Token]:
        """Without what a model adds around a text. Takes a while for a long one, and does not hold the interpreter."""
        ...


class Tokenizers(Protocol):
    def load(self, data: bytes) -> Tokenizer:
        """Of the content of a `tokenizer.json`. Takes up to seconds. Raises Unreadable."""
        ...
