"""A call becomes a prediction, and what the prediction says becomes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from hearth.api.http import Headers, Request
from hearth.api.openai.bodies import Generation, Usage
from hearth.api.openai.refusals import ModelFailed, encoded, told
from hearth.domain.events import TERMINAL, Kind
from hearth.domain.prediction import Phase, Prediction
from hearth.errors import InvalidRequest, Pointer, Unavailable
from hearth.service.language import Asked, Speaker

PATIENCE = 600.0
"""Seconds that an answer in one piece is waited for: as long as the clients wait."""
MOST_CHOICES = 16
_ENCODER = msgspec.json.Encoder()
HEARTBEAT = b": waiting\n\n"
DONE = b"data: [DONE]\n\n"


def asked(body: Generation, **more: Any) -> Asked:
    """What both doors ask for. Raises InvalidRequest for what no model here can tell."""
    if body.logprobs:
        raise wrong("logprobs", "not available here")
    stop = body.stop
    return Asked(
        min_tokens=body.min_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        seed=body.seed,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        repetition_penalty=body.repetition_penalty,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        grammar=body.grammar,
        regex=body.regex,
        **more,
    )


def choices(body: Generation) -> int:
    """How many answers. Raises InvalidRequest."""
    count = 1 if body.n is None else body.n
    if not 1 <= count <= MOST_CHOICES:
        raise wrong("n", f"must be between 1 and {MOST_CHOICES}")
    if count > 1 and body.stream:
        raise wrong("n", "a stream carries one answer: send n without stream, or several requests")
    return count


async def create(request: Request, speaker: Speaker, input: dict[str, Any], *, hold: float | None) -> Prediction:
    """A prediction of this input; as it ended, if `hold` is given."""
    made = await request.services.predictions.create(
        request.account,
        version=None if speaker.deployment else speaker.version.id,
        input=input,
        hold=hold,
        streamed=hold is None,
        origin=request.origin,
        deployment=speaker.deployment,
    )
    request.reply_headers.append((b"hearth-prediction", made.id.encode()))
    return made


async def ended(request: Request, speaker: Speaker, inputs: Sequence[dict[str, Any]]) -> list[Prediction]:
    """All of them, once each has succeeded. Raises ModelFailed for the first that has not, Unavailable for one that
    took too long."""
    found = await asyncio.gather(*(create(request, speaker, input, hold=PATIENCE) for input in inputs))
    for prediction in found:
        if not prediction.phase.terminal:
            late = f"The prediction {prediction.id} has not ended within {PATIENCE:.0f} s."
            raise Unavailable(late, hint="It goes on: look it up under /v1/predictions, or ask for a stream.")
        if prediction.phase is not Phase.SUCCEEDED:
            raise ModelFailed(prediction)
    return found


async def pieces(
    request: Request, prediction: Prediction, chunk: Callable[[str], bytes], end: Callable[[Prediction], bytes]
) -> AsyncGenerator[bytes, None]:
    """The events of a stream: a chunk for each piece of text, then the end. A caller who hangs up cancels it."""
    streams, predictions = request.services.streams, request.services.predictions
    over = False
    try:
        said = False
        async with aclosing(streams.open(prediction.id)) as batches:
            async for batch in batches:
                if batch is None:
                    yield HEARTBEAT
                    continue
                said = said or any(event.kind is Kind.OUTPUT for event in batch)
                found = b"".join(chunk(str(event.data)) for event in batch if event.kind is Kind.OUTPUT)
                over = bool(batch) and batch[-1].kind in TERMINAL
                if found:
                    yield found
        final = await streams.prediction(prediction.id)
        if final.phase is Phase.SUCCEEDED:
            yield end(final) + DONE
        else:
            yield b"data: " + encoded(told(ModelFailed(final))) + b"\n\n"
    finally:
        if not over:
            await asyncio.shield(predictions.cancel(request.account, prediction.id))


def event(body: Any) -> bytes:
    return b"data: " + _ENCODER.encode(body) + b"\n\n"


def usage(predictions: Sequence[Prediction]) -> Usage | None:
    """As the models counted; None if one of them does not count."""
    read = written = 0
    for prediction in predictions:
        counted = prediction.metrics.get("input_token_count"), prediction.metrics.get("output_token_count")
        if not isinstance(counted[0], int) or not isinstance(counted[1], int):
            return None
        read, written = read + counted[0], written + counted[1]
    return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def finish_reason(prediction: Prediction) -> str:
    """Why it stopped: as the model says, else by whether it used up its tokens."""
    said = prediction.metrics.get("finish_reason")
    if said in ("stop", "length"):
        return str(said)
    most = prediction.input.get("max_tokens", prediction.input.get("max_new_tokens"))
    written = prediction.metrics.get("output_token_count")
    return "length" if isinstance(most, int) and isinstance(written, int) and written >= most else "stop"


def headers(prediction: Prediction) -> Headers:
    """Of a stream."""
    return [
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"hearth-prediction", prediction.id.encode()),
    ]


def wrong(parameter: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=(Pointer(f"/{parameter}", f"{parameter}: {detail}"),))
