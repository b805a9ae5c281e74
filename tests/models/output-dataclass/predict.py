import dataclasses
from typing import Optional

from cog import BaseRunner


@dataclasses.dataclass
class Result:
    label: str
    score: float
    note: Optional[str] = None


class Predictor(BaseRunner):
    def run(self) -> Result:
        return Result(label="cat", score=0.75)
