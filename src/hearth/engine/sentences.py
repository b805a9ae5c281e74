"""Pieces of what people read."""

from __future__ import annotations

LINES = 20


def last_lines(text: str, count: int = LINES) -> str:
    """The last `count` lines, without the line end at the very end."""
    return "\n".join(text.rstrip().splitlines()[-count:])


def with_lines(sentence: str, logs: str) -> str:
    """The sentence, and the last lines that were printed before it came to this."""
    tail = last_lines(logs)
    return f"{sentence}\nLast log lines:\n{tail}" if tail else sentence
