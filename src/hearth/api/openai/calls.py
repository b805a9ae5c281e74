"""A call becomes a prediction, and what the prediction says becomes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any

import msgspec

from hearth import ids
from hearth.api.http import Disconnected, Headers, Request
from hearth.api.openai.bodies import Generation, Usage
from hearth.api.openai.refusals import ModelFailed, encoded, told
from hearth.domain.events import TERMINAL, Kind
from hearth.domain.prediction import Phase, Prediction
from hearth.errors import InvalidRequest, NotFound, Pointer, Unavailable
from hearth.service.language import Asked, Speaker

PATIENCE = 600.0
"""Seconds that an answer in one piece is waited for: as long as the clients wait."""
MOST_CHOICES = 16
_ENCODER = msgspec.json.Encoder()
HEARTBEAT = b": waiting\n\n"
DONE = b"data: [DONE]\n\n"


def asked(body: Generation, *, max_tokens: int | None, **more: Any) -> Asked:
    """What both doors ask for. Raises InvalidRequest for what no model here can do, and for what means nothing."""
    if body.logprobs is not None and body.logprobs is not False:
        raise wrong("logprobs", "not available here")
    if body.logit_bias:
        raise wrong("logit_bias", "not available here")
    _between("max_tokens", max_tokens, 1, None)
    _between("temperature", body.temperature, 0, None)
    _between("top_p", body.top_p, 0, 1)
    stop = body.stop
    return Asked(
        max_tokens=max_tokens,
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
    _between("n", count, 1, MOST_CHOICES)
    return count


def several(inputs: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Each input `count` times; with a seed, one after the other, for answers that differ."""
    return [
        input if "seed" not in input else {**input, "seed": input["seed"] + n} for input in inputs for n in range(count)
    ]


async def ended(request: Request, speaker: Speaker, inputs: Sequence[dict[str, Any]]) -> list[Prediction]:
    """All of them, once each has succeeded. A caller who hangs up cancels them. Raises ModelFailed for the first that
    failed, Unavailable for one that took too long, Disconnected."""
    numbers = [ids.sortable() for _ in inputs]
    making = asyncio.gather(*(_create(request, speaker, *one, PATIENCE) for one in zip(inputs, numbers, strict=True)))
    gone = asyncio.create_task(request.gone(), name=f"disconnect of {request.id}")
    try:
        await asyncio.wait((making, gone), return_when=asyncio.FIRST_COMPLETED)
        if not making.done():
            raise Disconnected
        found = await making
    except BaseException:
        making.cancel()
        await asyncio.shield(_cancel(request, numbers))
        raise
    finally:
        gone.cancel()
    for prediction in found:
        if not prediction.phase.terminal:
            late = f"The prediction {prediction.id} has not ended within {PATIENCE:.0f} s."
            raise Unavailable(late, hint="It goes on: look it up under /v1/predictions, or ask for a stream.")
        if prediction.phase is not Phase.SUCCEEDED:
            raise ModelFailed(prediction)
    return found


async def begun(request: Request, speaker: Speaker, inputs: Sequence[dict[str, Any]]) -> list[Prediction]:
    """Predictions whose text will be streamed: all of them, or none."""
    made: list[Prediction] = []
    try:
        for input in inputs:
            made.append(await _create(request, speaker, input, ids.sortable(), None))
    except BaseException:
        await asyncio.shield(_cancel(request, [prediction.id for prediction in made]))
        raise
    return made


async def _create(request: Request, speaker: Speaker, input: dict[str, Any], id: str, hold: float | None) -> Prediction:
    """A prediction of this input; as it ended, if `hold` is given."""
    made = await request.services.predictions.create(
        request.account,
        version=None if speaker.deployment else speaker.version.id,
        input=input,
        hold=hold,
        streamed=hold is None,
        id=id,
        origin=request.origin,
        deployment=speaker.deployment,
    )
    request.reply_headers.append((b"hearth-prediction", made.id.encode()))
    return made


async def _cancel(request: Request, numbers: Sequence[str]) -> None:
    """Those of them that exist."""
    for number in numbers:
        with suppress(NotFound):
            await request.services.predictions.cancel(request.account, number)


Say = Callable[[int, str], bytes]
"""A piece of the answer of that index, as an event."""
End = Callable[[int, Prediction], bytes]


async def stream(
    request: Request,
    predictions: Sequence[Prediction],
    say: Say,
    end: End,
    close: Callable[[Sequence[Prediction]], bytes],
) -> AsyncGenerator[bytes, None]:
    """The events of all of them, as they come: pieces of text, each one's end, then what closes it. A caller who hangs
    up cancels them, and so does one that fails the others."""
    finals: dict[int, Prediction] = {}

    async def one(index: int, prediction: Prediction) -> AsyncGenerator[bytes, None]:
        over = False
        try:
            async with aclosing(request.services.streams.open(prediction.id)) as batches:
                async for batch in batches:
                    if batch is None:
                        yield HEARTBEAT
                        continue
                    found = b"".join(say(index, str(event.data)) for event in batch if event.kind is Kind.OUTPUT)
                    over = bool(batch) and batch[-1].kind in TERMINAL
                    if found:
                        yield found
            finals[index] = final = await request.services.streams.prediction(prediction.id)
            if final.phase is not Phase.SUCCEEDED:
                raise ModelFailed(final)
            yield end(index, final)
        finally:
            if not over:
                await asyncio.shield(request.services.predictions.cancel(request.account, prediction.id))

    try:
        async with aclosing(_merged([one(n, prediction) for n, prediction in enumerate(predictions)])) as parts:
            async for part in parts:
                yield part
    except ModelFailed as error:
        yield b"data: " + encoded(told(error)) + b"\n\n"
    else:
        yield close([finals[n] for n in sorted(finals)]) + DONE


async def _merged(sources: Sequence[AsyncGenerator[bytes, None]]) -> AsyncGenerator[bytes, None]:
    """What they say, as it comes. The first that fails ends the others."""
    if len(sources) == 1:
        async with aclosing(sources[0]) as parts:
            async for part in parts:
                yield part
        return
    heard: asyncio.Queue[bytes | asyncio.Task[None]] = asyncio.Queue()

    async def listen(source: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(source) as parts:
            async for part in parts:
                heard.put_nowait(part)

    tasks = [asyncio.create_task(listen(source), name="one of several answers") for source in sources]
    for task in tasks:
        task.add_done_callback(heard.put_nowait)
    try:
        left = len(tasks)
        while left:
            word = await heard.get()
            if isinstance(word, bytes):
                yield word
            else:
                left -= 1
                word.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def event(body: Any) -> bytes:
    return b"data: " + _ENCODER.encode(body) + b"\n\n"


def usage(predictions: Sequence[Prediction], each: int) -> Usage | None:
    """As the models counted; None if one of them does not count. A prompt counts once, with `each` answers to it."""
    read = written = 0
    for index, prediction in enumerate(predictions):
        counted = prediction.metrics.get("input_token_count"), prediction.metrics.get("output_token_count")
        if not isinstance(counted[0], int) or not isinstance(counted[1], int):
            return None
        read += counted[0] if index % each == 0 else 0
        written += counted[1]
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


def _between(parameter: str, value: float | None, least: float, most: float | None) -> None:
    """Raises InvalidRequest. Narrower bounds are the model's: values are moved to the nearest that it takes."""
    if value is None or (value >= least and (most is None or value <= most)):
        return
    raise wrong(parameter, f"must be at least {least}" if most is None else f"must be between {least} and {most}")


def wrong(parameter: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=(Pointer(f"/{parameter}", f"{parameter}: {detail}"),))
