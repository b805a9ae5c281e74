"""LLaVA (github.com/haotian-liu/LLaVA): questions about a picture."""

from __future__ import annotations

from cog import AsyncConcatenateIterator, Input, Path

from .base import Language
from .inputs import CHOICES, GRAMMAR, JSONSCHEMA, REGEX, SEED, STOP

VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the human's questions. USER: <image>\n{prompt} ASSISTANT:"
)


class Llava(Language):
    async def run(
        self,
        image: Path = Input(description="The picture."),
        prompt: str = Input(description="What to say about it."),
        top_p: float = Input(
            description="Draw from the likeliest tokens that have this probability together.", default=1.0, ge=0, le=1
        ),
        temperature: float = Input(
            description="How much chance there is; 0: none, always the likeliest token.", default=0.2, ge=0
        ),
        max_tokens: int = Input(description="Most tokens to generate. A word is one or two.", default=1024, ge=0),
        stop: str | None = STOP,
        seed: int | None = SEED,
        jsonschema: str | None = JSONSCHEMA,
        grammar: str | None = GRAMMAR,
        regex: str | None = REGEX,
        choices: str | None = CHOICES,
    ) -> AsyncConcatenateIterator[str]:
        async for piece in self.answer({**locals(), "max_tokens": max(max_tokens, 1), "prompt_template": VICUNA}):
            yield piece
