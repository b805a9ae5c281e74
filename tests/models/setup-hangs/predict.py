import time

from cog import BaseRunner


class Predictor(BaseRunner):
    def setup(self) -> None:
        print("waiting for something that never comes", flush=True)
        time.sleep(3600)

    def run(self) -> str:
        return "ready"
