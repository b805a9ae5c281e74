import os
import time

from cog import BaseRunner, ConcatenateIterator, Input


class Predictor(BaseRunner):
    def run(self, after: int = Input(default=3, ge=0)) -> ConcatenateIterator[str]:
        for number in range(after):
            yield f"chunk {number} "
            time.sleep(0.01)
        os._exit(3)
