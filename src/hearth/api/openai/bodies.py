"""Requests and answers of OpenAI's dialect, as its official clients send and read them.

Fields that we have no use for are ignored. Beyond OpenAI's own, requests may have `top_k`, `min_tokens`,
`repetition_penalty`, `grammar` and `regex`: clients pass them through `extra_body`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class ImageUrl(msgspec.Struct, frozen=True):
    url: str


class Part(msgspec.Struct, frozen=True):
    """A piece of a message."""

    type: str
    text: str | None = None
    image_url: ImageUrl | str | None = None


class TurnBody(msgspec.Struct, frozen=True):
    """One message of a chat."""

    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What chat and completions have in common."""

    model: str
    max_tokens: int | None = None
    min_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    grammar: str | None = None
    regex: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | int | None = None
    logit_bias: dict[str, float] | None = None


class ChatBody(Generation, frozen=True, kw_only=True):
    messages: list[TurnBody]
    max_completion_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    functions: list[Any] | None = None
    function_call: Any = None


class CompletionBody(Generation, frozen=True, kw_only=True):
    prompt: str | list[Any] = ""
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None


class EmbeddingBody(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Function(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    function: Function
    type: str = msgspec.field(default_factory=lambda: "function")
    index: int | None = None
    """In streams only."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    role: str = "assistant"
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | msgspec.UnsetType = msgspec.UNSET


class ChatChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    message: Said
    finish_reason: str
    logprobs: None = None


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage | None = None
    object: str = "chat.completion"


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: str | None = None
    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class ChatChunkChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    delta: Delta
    finish_reason: str | None = None
    logprobs: None = None


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | None = None
    object: str = "chat.completion.chunk"


class TextChoice(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    text: str
    finish_reason: str | None = None
    logprobs: None = None


class TextAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whole, or one piece of a stream."""

    id: str
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | None = None
    object: str = "text_completion"


class Vector(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    embedding: list[float] | str
    """Numbers, or 32-bit floats in base64."""
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    data: list[Vector]
    model: str
    usage: EmbeddingUsage
    object: str = "list"


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    created: int
    owned_by: str
    object: str = "model"


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    data: list[ListedModel]
    object: str = "list"
