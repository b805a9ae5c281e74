"""Answers with the words it was trained on; `setup` gets them as `weights`."""

import json
import urllib.request
from typing import Optional

from cog import BaseRunner, Input


class Predictor(BaseRunner):
    def setup(self, weights: Optional[str] = None) -> None:
        self.words = {}
        if weights:
            if "://" in str(weights):
                with urllib.request.urlopen(str(weights), timeout=30) as response:
                    self.words = json.load(response)
            else:
                with open(weights, encoding="utf-8") as file:
                    self.words = json.load(file)
        print(f"knows {len(self.words)} words")

    def run(self, word: str = Input(description="A word to look up.")) -> int:
        return self.words.get(word, 0)
