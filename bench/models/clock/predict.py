import os
import time

from cog import BasePredictor, Input


class Predictor(BasePredictor):
    """Says which process ran it, and from when to when."""

    def predict(self, seconds: float = Input(default=0.0)) -> str:
        began = time.time()
        if seconds:
            time.sleep(seconds)
        return f"{os.getpid()} {began!r} {time.time()!r}"
