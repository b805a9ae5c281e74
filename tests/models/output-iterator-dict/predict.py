from typing import Iterator

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> Iterator[dict]:
        for n in range(3):
            yield {"n": n}
