"""The family of `max_new_tokens`: Llama 2, Code Llama and the first Mistral
(github.com/replicate/cog-llama-template)."""

from __future__ import annotations

from cog import AsyncConcatenateIterator, Input

from .base import Language
from .inputs import (
    CHOICES,
    DEBUG,
    GRAMMAR,
    JSONSCHEMA,
    MESSAGES,
    PROMPT_TEMPLATE,
    REGEX,
    REPLICATE_WEIGHTS,
    SEED,
    STOP,
    TOOL_CHOICE,
    TOOLS,
)

LLAMA_2_CHAT = "[INST] <<SYS>>\n{system_prompt}\n<</SYS>>\n\n{prompt} [/INST]"
MISTRAL_INSTRUCT = "[INST] {system_prompt}{prompt} [/INST]"
INSTRUCT = "[INST] {prompt} [/INST]"
ALPACA = "### Instruction:\n{system_prompt}{prompt}\n\n### Response:\n"
PHIND = "### System Prompt\n{system_prompt}\n\n### User Message\n{prompt}\n\n### Assistant\n"
LIMIT = ("max_new_tokens", 128)

PROMPT = Input(description="What to answer, or to go on with.")
SYSTEM = Input(
    description="How the model should answer, whatever it is asked.",
    default="You are a helpful assistant. Be honest, and say so where you do not know.",
)
MAX_NEW_TOKENS = Input(description="Most tokens to generate. A word is one or two of them.", default=128, ge=1)
MIN_NEW_TOKENS = Input(description="Fewest tokens to generate; -1: any number.", default=-1, ge=-1)
TEMPERATURE = Input(
    description="How much chance there is: above 1 more than in what the model learned, near 0 none.",
    default=0.7,
    ge=0.01,
    le=5,
)
TOP_P = Input(
    description="Draw from the likeliest tokens that have this probability together.", default=0.95, ge=0, le=1
)
TOP_K = Input(description="Draw from so many of the likeliest tokens; -1: from all.", default=-1, ge=-1)
PENALTY = Input(description="Above 1: what was said becomes less likely. 1: no matter.", default=1.15, ge=0)
STOPS = Input(description="Texts that end the answer, separated by commas. They are not part of it.", default=None)
MAX_TOKENS = Input(description="Another name of max_new_tokens.", default=None)
MIN_TOKENS = Input(description="Another name of min_new_tokens.", default=None)


class Chat(Language):
    """With a system prompt."""

    limit = LIMIT

    async def run(
        self,
        prompt: str = PROMPT,
        system_prompt: str = SYSTEM,
        max_new_tokens: int = MAX_NEW_TOKENS,
        min_new_tokens: int = MIN_NEW_TOKENS,
        temperature: float = TEMPERATURE,
        top_p: float = TOP_P,
        top_k: int = TOP_K,
        repetition_penalty: float = PENALTY,
        stop_sequences: str | None = STOPS,
        seed: int | None = SEED,
        debug: bool = DEBUG,
        prompt_template: str | None = PROMPT_TEMPLATE,
        replicate_weights: str | None = REPLICATE_WEIGHTS,
        max_tokens: int | None = MAX_TOKENS,
        min_tokens: int | None = MIN_TOKENS,
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


class Base(Language):
    """Goes on with a text: no system prompt."""

    limit = LIMIT

    async def run(
        self,
        prompt: str = PROMPT,
        max_new_tokens: int = MAX_NEW_TOKENS,
        min_new_tokens: int = MIN_NEW_TOKENS,
        temperature: float = TEMPERATURE,
        top_p: float = TOP_P,
        top_k: int = TOP_K,
        repetition_penalty: float = PENALTY,
        stop_sequences: str | None = STOPS,
        seed: int | None = SEED,
        debug: bool = DEBUG,
        prompt_template: str | None = PROMPT_TEMPLATE,
        replicate_weights: str | None = REPLICATE_WEIGHTS,
        max_tokens: int | None = MAX_TOKENS,
        min_tokens: int | None = MIN_TOKENS,
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
