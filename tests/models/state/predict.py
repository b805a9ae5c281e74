"""Counts its predictions: the same instance answered if the number goes up."""

import os

from cog import BaseRunner


class Predictor(BaseRunner):
    def setup(self) -> None:
        self.count = 0

    def run(self) -> dict:
        self.count += 1
        return {"pid": os.getpid(), "count": self.count}
