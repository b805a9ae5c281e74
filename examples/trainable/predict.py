"""Say what a text is about."""

from pathlib import Path

from bayes import Model, examples
from cog import BaseModel, BaseRunner, Input


class Output(BaseModel):
    label: str
    confidence: float
    labels: list[str]


class Predictor(BaseRunner):
    def setup(self, weights: str | None = None) -> None:
        """`weights` is the file that a training made; without one, the reviews beside this file are learnt."""
        if weights:
            self.model = Model.of_json(Path(str(weights)).read_text(encoding="utf-8"))
        else:
            table = Path(__file__).with_name("reviews.tsv").read_text(encoding="utf-8")
            self.model = Model.learn(examples(table))
        origin = "trained weights" if weights else "reviews.tsv"
        print(f"knows {', '.join(self.model.labels)} from {origin}: {len(self.model.vocabulary)} words")

    def run(self, text: str = Input(description="The text to look at.", max_length=100_000)) -> Output:
        scores = self.model.scores(text)
        label = next(iter(scores))
        return Output(label=label, confidence=round(scores[label], 4), labels=self.model.labels)
