"""A trainer as a class: documented upstream, refused by coglet, carried by the wrapper."""

import tempfile

from cog import BaseModel, Path


class TrainingOutput(BaseModel):
    weights: Path


class Trainer:
    def setup(self) -> None:
        self.factor = 2

    def train(self, number: int = 21) -> TrainingOutput:
        weights = Path(tempfile.mkdtemp()) / "weights.txt"
        weights.write_text(str(self.factor * number))
        return TrainingOutput(weights=weights)
