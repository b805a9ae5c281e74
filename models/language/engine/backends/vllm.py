"""vLLM: it schedules and samples by itself, and is given the same parameters.

Written for the release in `requirements-vllm.txt`; its interface moves. It runs in processes of its own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import torch
import vllm
from vllm.exceptions import VLLMClientError
from vllm.sampling_params import StructuredOutputsParams

from ..apart import follow
from ..errors import wrong
from ..grammar import lark
from ..job import Job, Params, Piece, Reason
from ..sampling import GREEDY
from ..shape import Shape
from ..telling import Telling
from ..text import Text
from ..tokenizer import Tokenizer

_LEAST = 1e-6
"""vLLM refuses a top_p of 0, which means the likeliest token only."""
_FITTING = -1
"""As long as the model can, and as fits into the memory."""


class Vllm:
    """A `Source` of its own: no scheduler of ours above it."""

    def __init__(self, path: Path, tokenizer: Tokenizer, *, slots: int, context: int | None) -> None:
        self._tokenizer = tokenizer
        arguments = vllm.AsyncEngineArgs(
            model=str(path),
            max_num_seqs=slots,
            max_model_len=context or _FITTING,
            tensor_parallel_size=max(torch.cuda.device_count(), 1),
            structured_outputs_config={"backend": "guidance"},  # llguidance, as with the other backends
            disable_log_stats=True,
        )
        self._engine = vllm.AsyncLLMEngine.from_engine_args(arguments)
        self.context = self._engine.model_config.max_model_len
        self._ids = itertools.count()
        self._running = 0

    async def run(self, job: Job) -> AsyncIterator[Piece]:
        telling = Telling()
        self._running += 1
        try:
            async with aclosing(self._pieces(job)) as pieces:
                async for piece in pieces:
                    now = time.monotonic()
                    telling.add(piece)
                    if telling.urgent or telling.due(now, beside=self._running):
                        yield telling.take(now)
                    if piece.ended:
                        return
        except VLLMClientError as error:
            raise wrong(job.shape.name or "parameters", str(error)) from None
        except Exception:
            if self._engine.errored:
                follow("vLLM's engine died", 1)
            raise
        finally:
            self._running -= 1

    async def _pieces(self, job: Job) -> AsyncGenerator[Piece, None]:
        """A piece for each time that vLLM says something."""
        ends, name, ended = self._tokenizer.ends, f"job-{next(self._ids)}", False
        written = Text(self._tokenizer.piece, job.params.stop, lead=job.lead)
        sampling = vllm.SamplingParams(**arguments(job.params, job.shape, ends))
        seen = count = 0
        (prompt,) = await self._engine.renderer.render_cmpl_async([{"prompt_token_ids": list(job.prompt)}])
        try:
            async for output in self._engine.generate(prompt, sampling, name):
                answer, text = output.outputs[0], ""
                for token in answer.token_ids[seen:]:
                    seen += 1
                    if token not in ends and not written.stopped:
                        count += 1
                        text += written.push(token, may_stop=count >= job.params.min_tokens)
                reason: Reason | None = None
                ended = answer.finish_reason is not None
                if written.stopped or ended:
                    reason = "stop" if written.stopped or answer.finish_reason == "stop" else "length"
                    text += written.finish()
                complete = job.shape.free or reason != "length"
                yield Piece(text, count, len(job.prompt), reason, complete)
        finally:
            if not ended and not self._engine.errored:
                await self._engine.abort(name)

    def close(self) -> None:
        self._engine.shutdown()


def arguments(params: Params, shape: Shape, ends: frozenset[int]) -> dict[str, Any]:
    """The same parameters in vLLM's words. Stop sequences stay with us: ours never leak."""
    penalty = params.repetition_penalty
    found: dict[str, Any] = {
        "n": 1,
        "seed": params.seed,
        "max_tokens": params.max_tokens,
        "min_tokens": max(params.min_tokens, 0),
        "temperature": 0.0 if params.temperature <= GREEDY else params.temperature,
        "top_p": max(params.top_p, _LEAST),
        "top_k": params.top_k if params.top_k > 0 else -1,
        "repetition_penalty": penalty if penalty >= 1 else 1.0,
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty + (penalty if 0 < penalty < 1 else 0.0),
        "stop_token_ids": sorted(ends),
        "detokenize": False,
    }
    if shape.regex is not None:
        found["structured_outputs"] = StructuredOutputsParams(regex=shape.regex)
    elif (grammar := lark(shape)) is not None:
        found["structured_outputs"] = StructuredOutputsParams(grammar=grammar)
    return found
