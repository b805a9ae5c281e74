"""Texts to vectors: each counts the groups of three letters in a text, hashed to 64 places.

It takes and returns lists, as models do that work best on many inputs at once. hearth.yaml says so, and callers send
one text.
"""

import math
import zlib

from cog import BaseRunner, Input

WIDTH = 64


class Predictor(BaseRunner):
    def run(
        self,
        text: list[str] = Input(description="What to turn into a vector.", max_length=10_000),
        unit: bool = Input(description="Whether the vector has the length 1.", default=True),
    ) -> list[list[float]]:
        print(f"{len(text)} in this run")
        return [vector(each, unit) for each in text]


def vector(text: str, unit: bool) -> list[float]:
    padded = f"  {text.lower()}  "
    counts = [0.0] * WIDTH
    for start in range(len(padded) - 2):
        counts[zlib.crc32(padded[start : start + 3].encode()) % WIDTH] += 1.0
    length = math.hypot(*counts) if unit else 1.0
    return [round(count / length, 6) for count in counts]
