"""Prints while it is imported: the schema must come out clean all the same."""

from cog import BaseRunner, Input

print('{"this": "is not the schema"}')
SIZES = [2**power for power in range(3)]


class Predictor(BaseRunner):
    def run(self, size: int = Input(default=SIZES[-1], choices=SIZES)) -> int:
        return size
