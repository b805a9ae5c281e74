"""Learn labels from examples."""

import random
import tempfile
from pathlib import Path as File

from bayes import Model, examples
from cog import BaseModel, Input, Path

BAR = 20


class TrainingOutput(BaseModel):
    weights: Path
    accuracy: float


def train(
    examples_file: Path = Input(description="One example per line: a label, a tab, a text."),
    smoothing: float = Input(description="Higher values trust rare words less.", default=1.0, ge=0.01, le=100),
    rounds: int = Input(description="Rounds of cross-validation, to tell the accuracy.", default=10, ge=2, le=20),
) -> TrainingOutput:
    pairs = examples(File(str(examples_file)).read_text(encoding="utf-8"))
    print(f"{len(pairs)} examples of {', '.join(sorted({label for label, _ in pairs}))}")
    random.Random(0).shuffle(pairs)
    right = 0
    for number in range(rounds):
        rest = [pair for index, pair in enumerate(pairs) if index % rounds != number]
        model = Model.learn(rest, smoothing)
        right += sum(next(iter(model.scores(text))) == label for label, text in pairs[number::rounds])
        done = number + 1
        bar = "#" * (done * BAR // rounds)
        print(f"{done / rounds:4.0%} |{bar:<{BAR}}| {done}/{rounds}", flush=True)
    accuracy = right / len(pairs)
    print(f"accuracy on examples it had not seen: {accuracy:.0%}")
    weights = Path(tempfile.mkdtemp()) / "weights.json"
    weights.write_text(Model.learn(pairs, smoothing).to_json(), encoding="utf-8")
    return TrainingOutput(weights=weights, accuracy=accuracy)
