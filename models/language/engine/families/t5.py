"""Flan-T5 (github.com/replicate/cog-flan-models)."""

from __future__ import annotations

from cog import AsyncConcatenateIterator, Input

from .base import Language
from .inputs import DEBUG


class FlanT5(Language):
    limit = ("max_length", 50)

    async def run(
        self,
        prompt: str = Input(description="What to do, and with what."),
        max_length: int = Input(description="Most tokens to generate. A word is one or two of them.", default=50, ge=1),
        temperature: float = Input(description="How much chance there is; near 0 none.", default=0.75, ge=0.01, le=5),
        top_p: float = Input(
            description="Draw from the likeliest tokens that have this probability together.",
            default=1.0,
            ge=0.01,
            le=1,
        ),
        repetition_penalty: float = Input(
            description="Above 1: what was said becomes less likely. 1: no matter.", default=1, ge=0.01, le=5
        ),
        debug: bool = DEBUG,
    ) -> AsyncConcatenateIterator[str]:
        async for piece in self.answer(locals()):
            yield piece
