"""A chunk every `delay` seconds, each with the time it was made: for latency and replay tests."""

import time

from cog import BaseRunner, ConcatenateIterator, Input


class Predictor(BaseRunner):
    def run(
        self, count: int = Input(default=10, ge=0), delay: float = Input(default=0.02, ge=0)
    ) -> ConcatenateIterator[str]:
        for number in range(count):
            time.sleep(delay)
            yield f"{number}@{time.time():.6f} "
