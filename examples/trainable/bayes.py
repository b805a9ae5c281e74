"""Naive Bayes over words: a text belongs to the label whose texts it shares most with."""

import json
import math
import re
from collections import Counter

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
LONGEST = 100_000
"""Characters of a text that are looked at."""


def words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text[:LONGEST])]


def examples(table: str) -> list[tuple[str, str]]:
    """`label<TAB>text` lines as pairs; empty lines are skipped. Raises ValueError, naming the line."""
    found = []
    for number, line in enumerate(table.splitlines(), 1):
        if not line.strip():
            continue
        label, tab, text = line.partition("\t")
        if not tab or not label.strip() or not words(text):
            raise ValueError(f"line {number}: expected a label, a tab and a text")
        found.append((label.strip(), text))
    if len({label for label, _ in found}) < 2:
        raise ValueError("expected examples of at least two labels")
    return found


class Model:
    """Counts of words and of texts, by label."""

    def __init__(self, texts: dict[str, int], counts: dict[str, dict[str, int]], smoothing: float) -> None:
        self.texts, self.counts, self.smoothing = texts, counts, smoothing
        self.vocabulary = {word for count in counts.values() for word in count}

    @classmethod
    def learn(cls, pairs: list[tuple[str, str]], smoothing: float = 1.0) -> "Model":
        """`smoothing`: how often each word counts as seen with each label before anything was."""
        counts: dict[str, Counter[str]] = {}
        for label, text in pairs:
            counts.setdefault(label, Counter()).update(words(text))
        return cls(dict(Counter(label for label, _ in pairs)), {k: dict(v) for k, v in counts.items()}, smoothing)

    @property
    def labels(self) -> list[str]:
        return sorted(self.texts)

    def scores(self, text: str) -> dict[str, float]:
        """Probability of each label, the likeliest first. Words that were never seen say nothing."""
        known = [word for word in words(text) if word in self.vocabulary]
        logs = {}
        for label, count in self.counts.items():
            total = sum(count.values()) + self.smoothing * len(self.vocabulary)
            prior = math.log(self.texts[label] / sum(self.texts.values()))
            logs[label] = prior + sum(math.log((count.get(w, 0) + self.smoothing) / total) for w in known)
        top = max(logs.values())
        shares = {label: math.exp(value - top) for label, value in logs.items()}
        whole = sum(shares.values())
        return {label: shares[label] / whole for label in sorted(shares, key=lambda each: (-shares[each], each))}

    def to_json(self) -> str:
        return json.dumps({"texts": self.texts, "counts": self.counts, "smoothing": self.smoothing}, sort_keys=True)

    @classmethod
    def of_json(cls, text: str) -> "Model":
        return cls(**json.loads(text))
