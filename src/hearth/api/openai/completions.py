"""`POST /openai/v1/completions`: a text that goes on."""

from __future__ import annotations

from typing import Any

from hearth.api.http import Request, Stream
from hearth.api.openai import calls
from hearth.api.openai.bodies import CompletionBody, TextAnswer, TextChoice
from hearth.api.openai.refusals import CALLED
from hearth.api.route import Route
from hearth.domain.prediction import Prediction
from hearth.service import language
from hearth.service.language import Speaker

MAX_TOKENS = 16
"""OpenAI's default."""
MOST_PROMPTS = 64


async def create(request: Request, body: CompletionBody) -> TextAnswer | Stream:
    count, prompts = calls.choices(body), _prompts(body)
    if body.suffix:
        raise calls.wrong("suffix", "not available here")
    speaker = await request.services.language.find(request.account, body.model)
    asked = calls.asked(body, max_tokens=MAX_TOKENS if body.max_tokens is None else body.max_tokens)
    inputs = [language.completion(speaker, prompt, asked) for prompt in prompts]
    if body.stream:
        return await _streamed(request, body, speaker, inputs[0], prompts[0])
    several = [
        input if "seed" not in input else {**input, "seed": input["seed"] + n} for input in inputs for n in range(count)
    ]
    found = await calls.ended(request, speaker, several)
    before = [prompt if body.echo else "" for prompt in prompts for _ in range(count)]
    return TextAnswer(
        id=f"cmpl-{found[0].id}",
        created=int(found[0].created_at),
        model=body.model,
        choices=[
            TextChoice(index=n, text=before[n] + language.text(p.output), finish_reason=calls.finish_reason(p))
            for n, p in enumerate(found)
        ],
        usage=calls.usage(found),
    )


async def _streamed(
    request: Request, body: CompletionBody, speaker: Speaker, input: dict[str, Any], prompt: str
) -> Stream:
    prediction = await calls.create(request, speaker, input, hold=None)
    counted = body.stream_options is not None and body.stream_options.include_usage

    def chunk(text: str, finish_reason: str | None = None) -> bytes:
        return calls.event(_answer(prediction, body, [TextChoice(index=0, text=text, finish_reason=finish_reason)]))

    def end(final: Prediction) -> bytes:
        last = chunk("", calls.finish_reason(final))
        return last + calls.event(_answer(prediction, body, [], calls.usage([final]))) if counted else last

    async def chunks() -> Any:
        if body.echo:
            yield chunk(prompt)
        async for part in calls.pieces(request, prediction, chunk, end):
            yield part

    return Stream(chunks(), b"text/event-stream", 200, calls.headers(prediction))


def _answer(prediction: Prediction, body: CompletionBody, choices: list[TextChoice], usage: Any = None) -> TextAnswer:
    created = int(prediction.created_at)
    return TextAnswer(id=f"cmpl-{prediction.id}", created=created, model=body.model, choices=choices, usage=usage)


def _prompts(body: CompletionBody) -> list[str]:
    """Raises InvalidRequest."""
    prompts = body.prompt if isinstance(body.prompt, list) else [body.prompt]
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    if len(texts) != len(prompts) or not texts:
        raise calls.wrong("prompt", "must be text, or a list of texts; numbers of tokens are not understood")
    if len(texts) > (1 if body.stream else MOST_PROMPTS):
        most = "a stream takes one prompt" if body.stream else f"at most {MOST_PROMPTS} prompts"
        raise calls.wrong("prompt", most)
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
