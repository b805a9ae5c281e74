"""As `batched`, one text at a time."""

import time

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self, text: str) -> str:
        time.sleep(0.0205)
        return text.upper()
