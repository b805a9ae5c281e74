"""What a search means: its words, and how much alike words are that are spelled differently.

Both stores look for the words and their beginnings first; what is alike fills up the rest. Likeness is
counted in groups of three letters, as pg_trgm does it.
"""

from __future__ import annotations

import re

MAX_WORDS = 16
MAX_LETTERS = 64
CANDIDATES = 64
"""Things that share letters with the search, the most promising ones, of which likeness is computed."""
ALIKE = 0.45
"""From here on a word counts as the other one spelled wrong: `whispr` and `whisper` have 0.67."""

_WORD = re.compile(r"[^\W_]+")


def words(query: str) -> list[str]:
    """The words of a search, lower case, at most MAX_WORDS of them."""
    found = dict.fromkeys(word[:MAX_LETTERS] for word in _WORD.findall(query.lower()))
    return list(found)[:MAX_WORDS]


def trigrams(wanted: list[str]) -> list[str]:
    """The groups of three letters within the words."""
    return list(dict.fromkeys(word[at : at + 3] for word in wanted for at in range(len(word) - 2)))


def likeness(wanted: list[str], text: str) -> float:
    """0 to 1: how well each wanted word has a like one in the text; 0 if one of them has none."""
    present = [_padded(word) for word in set(_WORD.findall(text.lower()))]
    total = 0.0
    for word in wanted:
        letters = _padded(word)
        best = max((_dice(letters, other) for other in present), default=0.0)
        if best < ALIKE:
            return 0.0
        total += best
    return total / len(wanted) if wanted else 0.0


def _padded(word: str) -> frozenset[str]:
    """Beginnings count more: two blanks before the word, one behind it."""
    text = f"  {word} "
    return frozenset(text[at : at + 3] for at in range(len(text) - 2))


def _dice(a: frozenset[str], b: frozenset[str]) -> float:
    return 2 * len(a & b) / (len(a) + len(b))
