import os
import time

from cog import BaseRunner


class Predictor(BaseRunner):
    def setup(self) -> None:
        steps = int(float(os.environ.get("SETUP_SECONDS", "1")) * 20)
        for step in range(steps):
            print(f"loading {step + 1}/{steps}", flush=True)
            time.sleep(0.05)

    def run(self) -> str:
        return "ready"
