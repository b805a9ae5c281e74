"""Takes lists: texts and files side by side. A text `bad` is refused alone, a text `worse` takes all down with it."""

import os
import tempfile
from typing import List

from cog import BaseRunner, Input, Path


class Predictor(BaseRunner):
    def run(
        self,
        text: List[str] = Input(description="What to write.", min_length=1),
        image: List[Path] = Input(description="What to write it on."),
        shout: bool = Input(default=False),
    ) -> List[Path]:
        print(f"{len(text)} together")
        if "worse" in text:
            raise ValueError("nothing works any more")
        return [self.write(words, paper, shout) for words, paper in zip(text, image, strict=True)]

    def write(self, words: str, paper: Path, shout: bool) -> object:
        if words == "bad":
            return {"hearth_error": "that is not a word"}
        path = os.path.join(tempfile.mkdtemp(), "out.txt")
        with open(path, "w") as file:
            file.write(paper.read_text() + (words.upper() if shout else words))
        return Path(path)
