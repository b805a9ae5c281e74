"""`POST /openai/v1/completions`: a text that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from hearth.api.http import Request, Stream
from hearth.api.openai import calls
from hearth.api.openai.bodies import CompletionBody, TextAnswer, TextChoice
from hearth.api.openai.refusals import CALLED
from hearth.api.route import Route
from hearth.domain.prediction import Prediction
from hearth.service import language

MAX_TOKENS = 16
"""OpenAI's default."""
MOST_PROMPTS = 64


async def create(request: Request, body: CompletionBody) -> TextAnswer | Stream:
    count, prompts = calls.choices(body), _prompts(body)
    if body.suffix:
        raise calls.wrong("suffix", "not available here")
    if body.best_of is not None and body.best_of != count:
        raise calls.wrong("best_of", "answers are not ranked here: ask for n, and choose")
    speaker = await request.services.language.find(request.account, body.model)
    asked = calls.asked(body, max_tokens=MAX_TOKENS if body.max_tokens is None else body.max_tokens)
    inputs = calls.several([language.completion(speaker, prompt, asked) for prompt in prompts], count)
    before = [prompt if body.echo else "" for prompt in prompts for _ in range(count)]
    if body.stream:
        return _streamed(request, body, await calls.begun(request, speaker, inputs), before)
    found = await calls.ended(request, speaker, inputs)
    return TextAnswer(
        id=f"cmpl-{found[0].id}",
        created=int(found[0].created_at),
        model=body.model,
        choices=[
            TextChoice(index=n, text=before[n] + language.text(p.output), finish_reason=calls.finish_reason(p))
            for n, p in enumerate(found)
        ],
        usage=calls.usage(found, count),
    )


def _streamed(request: Request, body: CompletionBody, predictions: list[Prediction], before: list[str]) -> Stream:
    first = predictions[0]
    counted = body.stream_options is not None and body.stream_options.include_usage

    def chunk(index: int, text: str, finish_reason: str | None = None) -> bytes:
        return calls.event(_answer(first, body, [TextChoice(index=index, text=text, finish_reason=finish_reason)]))

    def end(index: int, final: Prediction) -> bytes:
        return chunk(index, "", calls.finish_reason(final))

    def close(finals: Sequence[Prediction]) -> bytes:
        return calls.event(_answer(first, body, [], calls.usage(finals, calls.choices(body)))) if counted else b""

    async def chunks() -> Any:
        if body.echo:
            yield b"".join(chunk(n, text) for n, text in enumerate(before))
        async with aclosing(calls.stream(request, predictions, chunk, end, close)) as parts:
            async for part in parts:
                yield part

    return Stream(chunks(), b"text/event-stream", 200, calls.headers(first))


def _answer(prediction: Prediction, body: CompletionBody, choices: list[TextChoice], usage: Any = None) -> TextAnswer:
    created = int(prediction.created_at)
    return TextAnswer(id=f"cmpl-{prediction.id}", created=created, model=body.model, choices=choices, usage=usage)


def _prompts(body: CompletionBody) -> list[str]:
    """Raises InvalidRequest."""
    prompts = body.prompt if isinstance(body.prompt, list) else [body.prompt]
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    if len(texts) != len(prompts) or not texts:
        raise calls.wrong("prompt", "must be text, or a list of texts; numbers of tokens are not understood")
    if len(texts) > MOST_PROMPTS:
        raise calls.wrong("prompt", f"at most {MOST_PROMPTS} prompts")
    return texts


ROUTES = (
    Route(
        method="POST",
        path="/openai/v1/completions",
        operation_id="openai.completions.create",
        summary="Go on with a text, as OpenAI's API does",
        handler=create,
        body=CompletionBody,
        reply=TextAnswer,
        errors=CALLED,
        creates=True,
        streams=True,
        openai=True,
        ours=True,
    ),
)
