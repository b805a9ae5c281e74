import sys

from cog import BaseRunner


class Predictor(BaseRunner):
    def setup(self) -> None:
        print("looking for the weights")
        print("they are not there", file=sys.stderr)
        raise FileNotFoundError("weights.bin is missing")

    def run(self) -> str:
        return "ready"
