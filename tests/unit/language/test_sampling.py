"""The sampler, against a reference that says the same slowly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from engine.job import Params
from engine.sampling import Sampler
from hypothesis import given
from hypothesis import strategies as st

SCORES = st.lists(st.integers(-40, 40).map(lambda n: n / 4), min_size=2, max_size=12)


def reference(
    scores: list[float], params: Params, prompt: list[int], said: list[int], ends: set[int], allowed: list[bool] | None
) -> dict[int, float]:
    """Token to probability, by the rules as they are written down (model-catalog.md 3.5)."""
    left = {}
    for token, score in enumerate(scores):
        penalty = params.repetition_penalty
        if penalty > 1 and token in {*prompt, *said}:
            score = score / penalty if score > 0 else score * penalty
        count = said.count(token)
        per = params.frequency_penalty + (penalty if 0 < penalty < 1 else 0)
        score -= per * count + (params.presence_penalty if count else 0)
        if (allowed is None or allowed[token]) and not (len(said) < params.min_tokens and token in ends):
            left[token] = score
    ranked = sorted(left, key=lambda token: (-left[token], token))
    if params.temperature <= 0.01 or params.top_p == 0:
        return {ranked[0]: 1.0}
    if params.top_k > 0:
        ranked = ranked[: params.top_k]
    weights = {token: math.exp((left[token] - left[ranked[0]]) / params.temperature) for token in ranked}
    total = sum(weights.values())
    kept, mass = {}, 0.0
    for token in ranked:
        if mass >= params.top_p - 1e-12 and params.top_p < 1:
            break
        kept[token] = weights[token] / total
        mass += kept[token]
    return {token: p / sum(kept.values()) for token, p in kept.items()}


@given(
    scores=SCORES,
    temperature=st.sampled_from([0.0, 0.01, 0.3, 0.7, 1.0, 2.0, 5.0]),
    top_p=st.sampled_from([0.0, 0.13, 0.5, 0.87, 0.99, 1.0]),
    top_k=st.sampled_from([-1, 0, 1, 2, 5, 50]),
    repetition=st.sampled_from([0.0, 0.4, 1.0, 1.15, 3.0]),
    presence=st.sampled_from([0.0, -0.5, 1.0]),
    frequency=st.sampled_from([0.0, -0.25, 0.7]),
    data=st.data(),
)
def test_probabilities_are_those_of_the_reference(
    scores: list[float],
    temperature: float,
    top_p: float,
    top_k: int,
    repetition: float,
    presence: float,
    frequency: float,
    data: st.DataObject,
) -> None:
    tokens = st.lists(st.integers(0, len(scores) - 1), max_size=4)
    prompt, said = data.draw(tokens), data.draw(tokens)
    params = Params(
        seed=1,
        min_tokens=data.draw(st.integers(0, 3)),
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        repetition_penalty=repetition,
        presence_penalty=presence,
        frequency_penalty=frequency,
    )
    sampler = Sampler(params, prompt, len(scores), {0})
    for token in said:  # the only way to make it say this
        sampler.next(np.zeros(len(scores)), allowed=np.arange(len(scores)) == token)
    ids, probabilities = sampler.distribution(np.array(scores, np.float32))
    expected = reference(scores, params, prompt, said, {0}, None)
    found = dict(zip(ids.tolist(), probabilities.tolist(), strict=True))
    assert found.keys() == expected.keys()
    assert all(math.isclose(found[t], expected[t], rel_tol=1e-6) for t in expected)


def test_draws_are_spread_as_the_probabilities_say() -> None:
    scores = np.log(np.array([0.5, 0.25, 0.15, 0.07, 0.03]))
    sampler = Sampler(Params(seed=3), [], 5, {})
    draws = np.bincount([sampler.next(scores) for _ in range(20_000)], minlength=5)
    expected = np.exp(scores) * draws.sum()
    chi_square = float(((draws - expected) ** 2 / expected).sum())
    assert chi_square < 18.47  # 0.1 % of fair samples exceed this with 4 degrees of freedom


def test_a_seed_makes_the_same_draws_and_another_others() -> None:
    scores = np.zeros(1000)

    def draws(seed: int) -> list[int]:
        sampler = Sampler(Params(seed=seed), [], 1000, {})
        return [sampler.next(scores) for _ in range(8)]

    assert draws(5) == draws(5) != draws(6)


def test_no_end_before_the_fewest_tokens() -> None:
    scores = np.array([9.0, 0.0, 0.0])
    sampler = Sampler(Params(seed=1, min_tokens=3), [], 3, {0})
    assert 0 not in [sampler.next(scores) for _ in range(3)]
    assert sampler.distribution(scores)[0].tolist() == [0, 1, 2]


def test_a_grammar_at_its_end_ends_before_the_fewest_tokens() -> None:
    sampler = Sampler(Params(seed=1, min_tokens=3), [], 3, {0})
    assert sampler.next(np.zeros(3), allowed=np.array([True, False, False])) == 0


def test_of_equals_exactly_so_many_are_kept() -> None:
    ids, probabilities = Sampler(Params(seed=1, top_k=2), [], 5, {}).distribution(np.zeros(5))
    assert (ids.tolist(), probabilities.tolist()) == ([0, 1], [0.5, 0.5])


def test_scores_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(FloatingPointError, match="not numbers"):
        Sampler(Params(seed=1), [], 2, {}).next(np.array([np.nan, 1.0]))
