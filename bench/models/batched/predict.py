"""A run costs 20 ms, however many texts it has, and half a millisecond for each: as a small network on a GPU."""

import time

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, text: list[str]) -> list[str]:
        time.sleep(0.02 + 0.0005 * len(text))
        return [each.upper() for each in text]
