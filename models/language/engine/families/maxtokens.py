"""The family of `max_tokens`: Llama 3, later Mistral (github.com/replicate/cog-vllm and cog-triton), and the first
generation on vLLM: Mixtral and Hermes."""

from __future__ import annotations

from cog import AsyncConcatenateIterator, Input

from .base import Language
from .inputs import (
    CHOICES,
    GRAMMAR,
    JSONSCHEMA,
    MESSAGES,
    REGEX,
    SEED,
    STOP,
    TOOL_CHOICE,
    TOOLS,
)

PROMPT = Input(description="What to answer, or to go on with.", default="")
ASKED = Input(description="What to answer.")
SYSTEM = Input(
    description="How the model should answer, whatever it is asked. Models without a chat template leave it out.",
    default="You are a helpful assistant.",
)
MOST = "Most tokens to generate. A word is one or two of them."
ENDS = "Texts that end the answer, separated by commas. They are not part of it."
AROUND = "What to put around the prompt: a text with {prompt}."
MAX_TOKENS = Input(description=MOST, default=512, ge=1)
MIN_TOKENS = Input(description="Fewest tokens to generate; 0 or -1: any number.", default=0, ge=-1)
PRESENCE = Input(description="Taken off the score of every token that was said; below 0: added.", default=0.0)
FREQUENCY = Input(description="Taken off a token's score each time that it was said; below 0: added.", default=0.0)
LENGTH = Input(description="Without effect: only a beam search has one.", default=1.0, ge=0, le=5)
STOPS = Input(description=ENDS, default="")
TEMPLATE = Input(
    description="What to put around the prompt: a text with {prompt} and perhaps {system_prompt}. "
    "Empty: the model's chat template.",
    default="",
)
MAX_NEW_TOKENS = Input(description="The old name of max_tokens.", default=None)
MIN_NEW_TOKENS = Input(description="The old name of min_tokens.", default=None)
PERFORMANCE = Input(description="Show in the log how long what took.", default=False)


def temperature(default: float) -> float:
    return Input(
        description="How much chance there is; 0: none, always the likeliest token.", default=default, ge=0, le=5
    )


def top_p(default: float) -> float:
    text = "Draw from the likeliest tokens that have this probability together."
    return Input(description=text, default=default, ge=0, le=1)


def top_k(default: int) -> int:
    return Input(description="Draw from so many of the likeliest tokens; 0 or -1: from all.", default=default, ge=-1)


class Vllm(Language):
    """As cog-vllm has it."""

    async def run(
        self,
        prompt: str = PROMPT,
        system_prompt: str = SYSTEM,
        max_tokens: int = MAX_TOKENS,
        min_tokens: int = MIN_TOKENS,
        temperature: float = temperature(0.6),
        top_p: float = top_p(0.9),
        top_k: int = top_k(50),
        presence_penalty: float = PRESENCE,
        frequency_penalty: float = FREQUENCY,
        stop_sequences: str = STOPS,
        prompt_template: str = TEMPLATE,
        seed: int | None = SEED,
        max_new_tokens: int | None = MAX_NEW_TOKENS,
        min_new_tokens: int | None = MIN_NEW_TOKENS,
        log_performance_metrics: bool = PERFORMANCE,
        stop: str | None = STOP,
        messages: str | None = MESSAGES,
        jsonschema: str | None = JSONSCHEMA,
        grammar: str | None = GRAMMAR,
        regex: str | None = REGEX,
        choices: str | None = CHOICES,
        tools: str | None = TOOLS,
        tool_choice: str | None = TOOL_CHOICE,
    ) -> AsyncConcatenateIterator[str]:
        async for piece in self.answer(locals()):
            yield piece


class Triton(Language):
    """As cog-triton has it."""

    async def run(
        self,
        prompt: str = PROMPT,
        system_prompt: str = SYSTEM,
        max_tokens: int = MAX_TOKENS,
        min_tokens: int = MIN_TOKENS,
        temperature: float = temperature(0.7),
        top_p: float = top_p(0.95),
        top_k: int = top_k(0),
        presence_penalty: float = PRESENCE,
        length_penalty: float = LENGTH,
        stop_sequences: str = STOPS,
        prompt_template: str = TEMPLATE,
        seed: int | None = SEED,
        max_new_tokens: int | None = MAX_NEW_TOKENS,
        min_new_tokens: int | None = MIN_NEW_TOKENS,
        log_performance_metrics: bool = PERFORMANCE,
        stop: str | None = STOP,
        messages: str | None = MESSAGES,
        jsonschema: str | None = JSONSCHEMA,
        grammar: str | None = GRAMMAR,
        regex: str | None = REGEX,
        choices: str | None = CHOICES,
        tools: str | None = TOOLS,
        tool_choice: str | None = TOOL_CHOICE,
    ) -> AsyncConcatenateIterator[str]:
        async for piece in self.answer(locals()):
            yield piece


def first_vllm(*, most: int, template: str) -> type[Language]:
    """The first packages on vLLM, which differ in these defaults."""

    class FirstVllm(Language):
        limit = ("max_new_tokens", most)

        async def run(
            self,
            prompt: str = ASKED,
            max_new_tokens: int = Input(description=MOST, default=most, ge=1),
            temperature: float = temperature(0.6),
            top_p: float = top_p(0.9),
            top_k: int = top_k(50),
            presence_penalty: float = PRESENCE,
            frequency_penalty: float = FREQUENCY,
            prompt_template: str = Input(description=AROUND, default=template),
            max_tokens: int | None = Input(description="Another name of max_new_tokens.", default=None),
            min_new_tokens: int | None = Input(description="Fewest tokens to generate.", default=None),
            min_tokens: int | None = Input(description="Another name of min_new_tokens.", default=None),
            stop_sequences: str | None = Input(description=ENDS, default=None),
            stop: str | None = STOP,
            seed: int | None = SEED,
            messages: str | None = MESSAGES,
            jsonschema: str | None = JSONSCHEMA,
            grammar: str | None = GRAMMAR,
            regex: str | None = REGEX,
            choices: str | None = CHOICES,
            tools: str | None = TOOLS,
            tool_choice: str | None = TOOL_CHOICE,
        ) -> AsyncConcatenateIterator[str]:
            async for piece in self.answer(locals()):
                yield piece

    return FirstVllm
