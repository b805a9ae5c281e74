from typing import Iterator

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, count: int = 3) -> Iterator[str]:
        for n in range(count):
            yield f"item {n}"
