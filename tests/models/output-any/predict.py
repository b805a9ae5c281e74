from typing import Any

from cog import BaseRunner, Input


class Predictor(BaseRunner):
    def run(self, value: Any = Input(default=None)) -> Any:
        return value
