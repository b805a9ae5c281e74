import time

from cog import BasePredictor, ConcatenateIterator, Input


class Predictor(BasePredictor):
    """Yields the time at which it yields, so that whoever reads can tell how long a chunk was on its way."""

    def predict(self, count: int = Input(default=200), pause: float = Input(default=0.01)) -> ConcatenateIterator[str]:
        for _ in range(count):
            time.sleep(pause)
            yield f"{time.time():.6f} "
