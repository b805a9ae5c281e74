"""The next token from a model's scores: exact, and the same for a seed whatever else is being generated.

The order is fixed: penalties, then what may not be (an end before `min_tokens`, what the grammar forbids), then
temperature, `top_k`, `top_p`, and one draw.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from .job import Params

Floats = NDArray[np.floating]
GREEDY = 0.01
"""Temperatures up to here always take the likeliest token."""


class Sampler:
    """Draws the tokens of one sequence."""

    def __init__(self, params: Params, prompt: Sequence[int], vocab: int, ends: Collection[int]) -> None:
        self._params = params
        self._rng = np.random.default_rng(params.seed)
        self._ends = np.fromiter((e for e in ends if e < vocab), dtype=np.int64)
        self._counts = np.zeros(vocab, np.int64)  # of the text so far, not the prompt
        self._divides = params.repetition_penalty > 1
        self._seen = np.zeros(vocab, bool)
        if self._divides:
            self._seen[[token for token in prompt if token < vocab]] = True
        adds = params.repetition_penalty if 0 < params.repetition_penalty < 1 else 0.0
        self._per_occurrence = params.frequency_penalty + adds
        self._made = 0

    def next(self, logits: Floats, allowed: NDArray[np.bool_] | None = None) -> int:
        """One token. `allowed`: what the grammar lets through."""
        ids, probabilities = self.distribution(logits, allowed)
        if len(probabilities) == 1:
            token = int(ids[0])
        else:
            sums = np.cumsum(probabilities)
            drawn = np.searchsorted(sums, self._rng.random() * sums[-1], side="right")
            token = int(ids[min(int(drawn), len(ids) - 1)])
        self._counts[token] += 1
        self._seen[token] = True
        self._made += 1
        return token

    def distribution(
        self, logits: Floats, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The tokens that can come next and how likely each is."""
        params = self._params
        scores = self._penalised(logits)
        if allowed is not None:
            scores[~allowed[: len(scores)]] = -np.inf
        if self._made < params.min_tokens and len(self._ends):
            kept = scores[self._ends]
            scores[self._ends] = -np.inf
            if allowed is not None and not np.isfinite(scores.max()):  # the grammar is at its end
                scores[self._ends] = kept
        best = scores.max()
        if not np.isfinite(best):
            raise FloatingPointError("the model's scores are not numbers, or no token is allowed")
        if params.temperature <= GREEDY or params.top_p <= 0 or params.top_k == 1:
            return np.array([scores.argmax()]), np.ones(1)
        scores -= best
        scores /= params.temperature
        ids = np.flatnonzero(np.isfinite(scores))
        scores = scores[ids]
        if 0 < params.top_k < len(ids):
            ids, scores = _likeliest(ids, scores, params.top_k)
        weights = np.exp(scores)
        weights /= weights.sum()
        if params.top_p < 1:
            # What is left out here has no more than 1 - top_p together: the nucleus is among the rest.
            among = weights >= (1 - params.top_p) / len(weights)
            ids, weights = ids[among], weights[among]
            order = np.argsort(-weights, kind="stable")
            ids, weights = ids[order], weights[order]
            before = np.cumsum(weights) - weights
            keep = max(int(np.searchsorted(before, params.top_p, side="left")), 1)
            ids, weights = ids[:keep], weights[:keep]
            weights = weights / weights.sum()
        return ids, weights

    def _penalised(self, logits: Floats) -> NDArray[np.float64]:
        scores = logits.astype(np.float64)
        if self._divides:
            by, seen = self._params.repetition_penalty, scores[self._seen]
            scores[self._seen] = np.where(seen > 0, seen / by, seen * by)
        if self._per_occurrence or self._params.presence_penalty:
            said = np.flatnonzero(self._counts)
            scores[said] -= self._per_occurrence * self._counts[said] + self._params.presence_penalty
        return scores


def _likeliest(ids: NDArray[np.int64], scores: NDArray[np.float64], count: int) -> tuple[NDArray, NDArray]:
    """Exactly `count` of them, the likeliest first; of equals those with the lower id."""
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    among = np.flatnonzero(scores >= least)
    order = among[np.argsort(-scores[among], kind="stable")][:count]
    return ids[order], scores[order]
