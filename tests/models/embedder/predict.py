"""Vectors that can be told apart: the counts of a few letters."""

import json

from cog import BaseRunner, Input


class Predictor(BaseRunner):
    def run(self, texts: str = Input(description="JSON list of texts.")) -> list[list[float]]:
        return [[float(text.count(letter)) for letter in "aeiou"] for text in json.loads(texts)]
