"""Counts the words of a text: the smallest training there is."""

import collections
import json
import tempfile
import time

from cog import BaseModel, Input, Path


class TrainingOutput(BaseModel):
    weights: Path


def train(
    text: Path = Input(description="A text to learn from."),
    epochs: int = Input(description="Rounds; each takes a moment and prints a line.", default=1, ge=1, le=1000),
    fail: bool = Input(default=False),
) -> TrainingOutput:
    words: collections.Counter[str] = collections.Counter()
    for epoch in range(epochs):
        words.update(text.read_text(encoding="utf-8").split())
        print(f"epoch {epoch + 1}/{epochs}: {len(words)} words", flush=True)
        time.sleep(0.02)
    if fail:
        raise RuntimeError("the loss is not a number")
    weights = Path(tempfile.mkdtemp()) / "weights.json"
    weights.write_text(json.dumps(words), encoding="utf-8")
    return TrainingOutput(weights=weights)
