"""A cog.BaseModel as it was when it was pydantic: Optional without default, mutable default, dict()."""

from typing import List, Optional

from cog import BaseModel, BasePredictor, Input


class Output(BaseModel):
    caption: Optional[str]
    tags: List[str] = []
    score: float


class Predictor(BasePredictor):
    def predict(self, caption: str = Input(default="")) -> Output:
        output = Output(score=0.5, caption=caption) if caption else Output(score=0.5)
        print(sorted(output.dict()))
        return output
