"""Imports a module of its own and reads a file beside it."""

from pathlib import Path

from cog import BaseRunner
from words import shout


class Predictor(BaseRunner):
    def setup(self) -> None:
        self.text = Path("text.txt").read_text().strip()

    def run(self) -> str:
        return shout(self.text)
