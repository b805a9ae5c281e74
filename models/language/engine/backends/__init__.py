"""What computes: each module adapts one library to `base.Backend` (or, with a scheduler of its own, to `Source`)."""

from __future__ import annotations

from .base import Backend, Plan

CONTEXT = 4096
"""Tokens of one sequence by llama.cpp, unless somebody says something else."""


def opened(plan: Plan) -> Backend:
    """The backend with its weights. Raises ModelError."""
    if plan.backend == "numpy":
        from ..gguf import File
        from .numpy_llama import NumpyLlama

        return NumpyLlama(File(plan.weights), slots=plan.slots)
    if plan.backend == "llama_cpp":
        from .llama_cpp import LlamaCpp

        return LlamaCpp(plan.weights, slots=plan.slots, context=plan.context or CONTEXT, threads=plan.threads)
    from . import transformers

    kinds = {"causal": transformers.Causal, "seq2seq": transformers.Seq2Seq, "llava": transformers.Llava}
    made: Backend = kinds[plan.kind](plan.weights, slots=plan.slots, threads=plan.threads)
    return made
