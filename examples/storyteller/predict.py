"""Tell a story, word by word."""

import random
import sys
import time
from pathlib import Path

from cog import BaseRunner, ConcatenateIterator, Input
from ngram import Model, stories, tokens

BAR = 20


class Predictor(BaseRunner):
    def setup(self) -> None:
        book = stories(Path(__file__).with_name("stories.txt").read_text(encoding="utf-8"))
        self.model = Model(book)
        print(f"read {len(book)} stories: {self.model.words} words in {len(self.model)} contexts")

    def run(
        self,
        prompt: str = Input(
            description="How the story begins. Leave it empty for a story of the model's own.", default=""
        ),
        max_tokens: int = Input(
            description="Stop after this many words and punctuation marks.", default=200, ge=1, le=2000
        ),
        temperature: float = Input(
            description="0 always takes the likeliest word; higher values take more risks.",
            default=0.8,
            ge=0,
            le=5,
        ),
        seed: int | None = Input(description="The same seed tells the same story.", default=None),
        delay: float = Input(description="Seconds to rest after each word, to watch it stream.", default=0, ge=0, le=5),
    ) -> ConcatenateIterator[str]:
        if seed is None:
            seed = random.SystemRandom().randrange(2**31)
        print(f"seed: {seed}")
        told = 0
        for piece in self.model.tell(prompt, max_tokens, temperature, random.Random(seed)):
            yield piece
            told += 1
            if told * BAR % max_tokens < BAR:
                show(told, max_tokens)
            if delay:
                time.sleep(delay)
        print(file=sys.stderr)
        self.record_metric("input_token_count", len(tokens(prompt)))
        self.record_metric("output_token_count", told)


def show(done: int, total: int) -> None:
    """A progress bar that overwrites itself in a terminal."""
    bar = "#" * (done * BAR // total)
    print(f"\rtelling {done / total:4.0%} |{bar:<{BAR}}| {done}/{total}", end="", file=sys.stderr, flush=True)
