import time

from cog import BaseRunner, ConcatenateIterator, Input


class Predictor(BaseRunner):
    def run(self, text: str = "one two three four", delay: float = Input(default=0, ge=0)) -> ConcatenateIterator[str]:
        for n, word in enumerate(text.split()):
            yield word if n == 0 else " " + word
            time.sleep(delay)
