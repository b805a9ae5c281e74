"""A language model that counts: which word followed these three, and how often."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

START = "<start>"
END = "<end>"
PARAGRAPH = "\n\n"
# How much of the probability of a context of 3, 2 and 1 words goes to the next shorter one, for each
# different word that was seen after it (absolute discounting). Much at three, or the model would
# recite; little at two, because single words know too little of their neighbours.
DISCOUNT = {3: 0.4, 2: 0.02, 1: 0.0}

_TOKEN = re.compile(r"\n\s*\n|\w+(?:['’-]\w+)*|[^\w\s]")
_CLOSING = frozenset(".,;:!?)")


def tokens(text: str) -> list[str]:
    """Words, punctuation marks and paragraph ends; `don't` and `old-fashioned` are one word each."""
    return [PARAGRAPH if found.isspace() else found for found in _TOKEN.findall(text)]


def stories(book: str) -> list[str]:
    """The stories of a book whose titles stand on lines that start with `#`."""
    return [body.strip() for body in re.split(r"^#.*$", book, flags=re.MULTILINE) if body.strip()]


def space_before(token: str, previous: str) -> str:
    """What stands between two tokens in print."""
    if token in _CLOSING or token == PARAGRAPH or previous in (START, PARAGRAPH, "("):
        return ""
    return " "


class Model:
    """Counts of words after three others, with back-off to shorter contexts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._longest = max(DISCOUNT)
        self._following: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for text in texts:
            line = [START] * self._longest + tokens(text) + [END]
            for place in range(self._longest, len(line)):
                for size in range(self._longest + 1):
                    self._following[_key(line[place - size : place])][line[place]] += 1

    @property
    def words(self) -> int:
        """How many different words and marks the model knows."""
        return len(self._following[()]) - 1  # END is no word

    def __len__(self) -> int:
        return len(self._following)

    def next(self, context: Sequence[str], temperature: float, chance: random.Random) -> str:
        """The token after `context`. Temperature 0 takes the likeliest, above 1 favours the rare."""
        for size in range(min(self._longest, len(context)), -1, -1):
            counts = self._following.get(_key(context[len(context) - size :]))
            if counts is None:
                continue
            if temperature == 0:
                return max(counts, key=counts.__getitem__)  # of equals, the one met first
            given_away = DISCOUNT.get(size, 0.0) * len(counts) / counts.total()
            if chance.random() < given_away:
                continue
            weights = [count ** (1 / temperature) for count in counts.values()]
            return chance.choices(list(counts), weights)[0]
        raise ValueError("the model was made from no text")

    def tell(self, prompt: str, limit: int, temperature: float, chance: random.Random) -> Iterator[str]:
        """Go on from `prompt`, piece by piece with its leading space, to the end of a story or `limit`."""
        context = [START] * self._longest + tokens(prompt)
        for _ in range(limit):
            token = self.next(context[-self._longest :], temperature, chance)
            if token == END:
                return
            yield space_before(token, context[-1]) + token
            context.append(token)


def _key(context: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in context)
