"""A pydantic model with a file in it, as the output."""

import tempfile
from typing import Optional

import pydantic
from cog import BasePredictor, Path


class Output(pydantic.BaseModel):
    text: str
    file: Path
    note: Optional[str] = None


class Predictor(BasePredictor):
    def predict(self, text: str = "hi") -> Output:
        path = Path(tempfile.mkdtemp()) / "note.txt"
        path.write_text(text)
        return Output(text=text, file=path)
