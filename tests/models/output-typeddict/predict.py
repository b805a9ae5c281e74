from typing import TypedDict

from cog import BaseRunner


class Result(TypedDict):
    label: str
    score: float


class Predictor(BaseRunner):
    def run(self) -> Result:
        return {"label": "cat", "score": 0.75}
