"""Written as models were in 2022: BasePredictor, predict, File, emit_metric, positional defaults."""

import io

from cog import BasePredictor, ConcatenateIterator, File, Input, emit_metric


class Predictor(BasePredictor):
    def setup(self):
        self.prefix = "line"

    def predict(
        self,
        document: File = Input(description="A text file."),
        upper: bool = Input(False, description="Shout."),
        seed: int = Input(description="Ignored.", default=None),
    ) -> ConcatenateIterator[str]:
        text = io.TextIOWrapper(document, "utf-8").read()
        for number, line in enumerate(text.splitlines(), start=1):
            yield f"{self.prefix} {number}: {line.upper() if upper else line}\n"
        emit_metric("line_count", len(text.splitlines()))
