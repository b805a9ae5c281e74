"""vLLM, where there is a GPU for it: it schedules and samples by itself, and is given the same parameters.

Version 0.11 and later; the names that have changed since 0.8 are looked up.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import torch
import vllm
from vllm import sampling_params as options

from ..job import Job, Params, Piece, Reason
from ..sampling import GREEDY
from ..shape import Shape
from ..text import Text
from ..tokenizer import Tokenizer

_LEAST = 1e-6
"""vLLM refuses a top_p of 0, which means the likeliest token only."""


class Vllm:
    """A `Source` of its own: no scheduler of ours above it."""

    def __init__(self, path: Path, tokenizer: Tokenizer, *, slots: int) -> None:
        self._tokenizer = tokenizer
        arguments = vllm.AsyncEngineArgs(
            model=str(path), max_num_seqs=slots, tensor_parallel_size=max(torch.cuda.device_count(), 1)
        )
        self._engine = vllm.AsyncLLMEngine.from_engine_args(arguments)
        self.context = self._engine.model_config.max_model_len
        self._ids = itertools.count()

    async def run(self, job: Job) -> AsyncIterator[Piece]:
        ends = self._tokenizer.ends
        written = Text(self._tokenizer.piece, job.params.stop, lead=job.lead)
        sampling = vllm.SamplingParams(**arguments(job.params, job.shape, ends))
        name, seen, ended = f"job-{next(self._ids)}", 0, False
        try:
            async for output in self._engine.generate({"prompt_token_ids": list(job.prompt)}, sampling, name):
                answer, text = output.outputs[0], ""
                for token in answer.token_ids[seen:]:
                    seen += 1
                    if token not in ends and not written.stopped:
                        text += written.push(token, may_stop=seen >= job.params.min_tokens)
                reason: Reason | None = None
                if written.stopped or answer.finish_reason == "stop":
                    reason = "stop"
                elif answer.finish_reason is not None:
                    reason = "length"
                ended = answer.finish_reason is not None
                count = seen - sum(token in ends for token in answer.token_ids)
                yield Piece(text + (written.finish() if reason else ""), count, len(job.prompt), reason)
                if reason:
                    return
        finally:
            if not ended:
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
    if wanted := _structure(shape):
        if hasattr(options, "StructuredOutputsParams"):
            found["structured_outputs"] = options.StructuredOutputsParams(**wanted)
        else:
            found["guided_decoding"] = options.GuidedDecodingParams(**wanted)
    return found


def _structure(shape: Shape) -> dict[str, Any] | None:
    if shape.jsonschema is not None:
        return {"json": json.loads(shape.jsonschema)}
    if shape.grammar is not None:
        return {"grammar": shape.grammar}
    if shape.regex is not None:
        return {"regex": shape.regex}
    if shape.choices is not None:
        return {"choice": list(shape.choices)}
    calls = shape.calls()
    return {"json": calls} if calls and shape.tool_choice != "auto" else None
