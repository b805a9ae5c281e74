"""A language model that is asked in text and answers in text."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .backends.base import Source
from .errors import UserError, too_long
from .job import Job, Params, Reason
from .prompt import Message, formatted, told, transcript
from .shape import Shape

if TYPE_CHECKING:
    from .chat import Chat
    from .tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Request:
    params: Params
    prompt: str = ""
    system: str = ""
    template: str | None = None
    """A format string with {prompt}; None: the model's own, or else its chat template."""
    messages: Sequence[Message] | None = None
    """A chat; it takes the place of prompt and system."""
    shape: Shape = field(default_factory=Shape)
    image: Any = None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A request as the model will see it."""

    prompt: str
    tokens: Sequence[int]
    params: Params
    is_answer: bool
    """To a chat or a template, rather than a text that goes on."""


class Generation:
    """One answer: iterate over it for its text. The rest is known when that has ended."""

    def __init__(self, source: Source, job: Job) -> None:
        self._source, self._job = source, job
        self._began = time.perf_counter()
        self.prompt_tokens = len(job.prompt)
        self.tokens = 0
        self.reason: Reason | None = None
        self.first_seconds: float | None = None
        """From the request to the first token."""
        self.seconds = 0.0
        self.complete = True
        """Whether the text is all that its grammar wants; one that ran out of tokens may not be."""

    async def __aiter__(self) -> AsyncIterator[str]:
        pieces = self._source.run(self._job)
        try:
            async for piece in pieces:
                self.seconds = time.perf_counter() - self._began
                if self.first_seconds is None:
                    self.first_seconds = self.seconds
                self.prompt_tokens, self.tokens = piece.read, piece.tokens
                self.reason, self.complete = piece.ended, piece.complete
                if piece.text:
                    yield piece.text
        finally:
            await pieces.aclose()

    @property
    def tokens_per_second(self) -> float:
        """After the first token, which stands for the prompt; of one token, its own."""
        if self.tokens < 2 or self.first_seconds is None:
            return self.tokens / self.seconds if self.seconds else 0.0
        return (self.tokens - 1) / max(self.seconds - self.first_seconds, 1e-9)


class Engine:
    """Any number of generations at a time; those without a free slot wait their turn."""

    def __init__(self, source: Source, tokenizer: Tokenizer, *, template: str | None = None) -> None:
        """`template`: a format string that takes the place of the model's chat template, for prompts that aren't
        chats."""
        self.source, self.tokenizer = source, tokenizer
        self._template = template
        self._chat = self._chat_of(tokenizer)

    @property
    def has_chat(self) -> bool:
        return self._chat is not None

    def prepare(self, request: Request) -> Prepared:
        """The prompt in full, in tokens, and a limit that fits. Raises UserError."""
        text, is_answer, complete = self._text(request)
        if not text.strip():
            raise UserError("E1001", "PromptRequired", "a prompt is required; what came out of yours is empty")
        tokens = self.tokenizer.encode(text, complete=complete)
        left = self.source.context - len(tokens)
        if left < 1:
            raise too_long(len(tokens), self.source.context)
        limit = max(1, min(request.params.max_tokens, left))
        return Prepared(
            prompt=text, tokens=tokens, params=replace(request.params, max_tokens=limit), is_answer=is_answer
        )

    def generate(self, request: Request, prepared: Prepared | None = None) -> Generation:
        """Begin to answer. Iterating raises UserError for what can't be answered."""
        prepared = prepared or self.prepare(request)
        job = Job(
            prompt=prepared.tokens,
            params=prepared.params,
            lead=not prepared.is_answer,
            shape=request.shape,
            image=request.image,
        )
        return Generation(self.source, job)

    def close(self) -> None:
        self.source.close()

    def _text(self, request: Request) -> tuple[str, bool, bool]:
        """The prompt; whether it asks for an answer; whether the tokenizer has to complete it."""
        shape, messages = request.shape, request.messages
        tools = shape.tools if shape.tool_choice != "none" else None
        template = request.template or self._template
        if messages is None and template and not tools:
            return formatted(template, request.prompt, request.system), template != "{prompt}", True
        if messages is None:
            if not request.prompt.strip():
                return "", False, True
            system = [{"role": "system", "content": request.system}] if request.system else []
            messages = [*system, {"role": "user", "content": request.prompt}]
            if self._chat is None and not tools:
                return request.prompt, False, True
        if self._chat is not None:
            return self._chat.render(messages, tools), True, False
        messages = told(messages, tools) if tools else messages
        if template and [m["role"] for m in messages if m["role"] != "system"] == ["user"]:
            system_text = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
            return formatted(template, messages[-1]["content"], system_text), True, True
        return transcript(messages), True, True

    @staticmethod
    def _chat_of(tokenizer: Tokenizer) -> Chat | None:
        if not tokenizer.template:
            return None
        from .chat import Chat  # jinja2, which the model's process does without

        end = min(tokenizer.ends, default=None)
        return Chat(tokenizer.template, begin=tokenizer.name(tokenizer.begin), end=tokenizer.name(end))
