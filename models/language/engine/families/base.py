"""What all families share: one engine for each instance, and answers with their metrics."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import ClassVar

from cog import BaseRunner

from ..asking import Inputs, request_of
from ..engine import Generation
from ..loading import Card, load

LONGEST = 2000
"""Characters of a prompt that the log shows."""


class Language(BaseRunner):
    """A package is a subclass of one of the families with a card."""

    card: ClassVar[Card]
    limit: ClassVar[tuple[str, int]] = ("max_tokens", 512)
    """What this family calls the token limit, and its default."""

    def setup(self) -> None:
        self.engine = load(self.card)

    async def answer(self, inputs: Inputs) -> AsyncIterator[str]:
        """The text, piece by piece. `inputs`: the arguments of `run`."""
        request = request_of(inputs, self.limit)
        prepared = self.engine.prepare(request)
        print(f"seed: {request.params.seed}, prompt: {shown(prepared.prompt)}")
        if request.system and "{system_prompt}" not in (request.template or "{system_prompt}"):
            print("system_prompt has no place in the template and is left out")
        if prepared.params.max_tokens < request.params.max_tokens:
            print(f"at most {prepared.params.max_tokens} tokens fit into the model's context beside the prompt")
        generation = self.engine.generate(request, prepared)
        try:
            async for piece in generation:
                yield piece
        finally:
            self._record(generation)
        if not generation.complete:
            print("the text was cut off at its token limit, before it was all that its schema or grammar wants")
        if inputs.get("debug") or inputs.get("log_performance_metrics"):
            print(
                f"first token after {generation.first_seconds or 0:.3f} s, {generation.tokens} tokens in "
                f"{generation.seconds:.3f} s, {generation.tokens_per_second:.1f} tokens/s"
            )

    def _record(self, generation: Generation) -> None:
        self.record_metric("input_token_count", generation.prompt_tokens)
        self.record_metric("output_token_count", generation.tokens)
        if generation.first_seconds is not None:
            self.record_metric("time_to_first_token", round(generation.first_seconds, 6))
            self.record_metric("tokens_per_second", round(generation.tokens_per_second, 3))
        if generation.reason is not None:
            self.record_metric("finish_reason", generation.reason)


def shown(prompt: str) -> str:
    """What the model sees, in one line of the log."""
    return json.dumps(prompt if len(prompt) <= LONGEST else f"{prompt[:LONGEST]} …", ensure_ascii=False)
