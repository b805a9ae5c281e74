"""Minutes as numbers: percentiles from classes of duration, and many minutes as one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.sample import Sample, duration_class, percentile, span, together

durations = st.floats(0.001, 100_000)


def counted(values: list[float]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for value in values:
        counts[duration_class(value)] = counts.get(duration_class(value), 0) + 1
    return counts


@given(st.lists(durations, min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_a_percentile_is_true_to_five_percent(values: list[float], share: float):
    exact = sorted(values)[max(math.ceil(share * len(values)), 1) - 1]
    found = percentile(counted(values), share)
    assert found == pytest.approx(exact, rel=0.051)


@given(st.lists(durations, max_size=50), st.lists(durations, max_size=50))
def test_percentiles_of_parts_are_those_of_the_whole(one: list[float], other: list[float]):
    parts = [Sample(at=0, runs=counted(one), totals=counted(one)), Sample(at=60, runs=counted(other))]
    assert percentile(span(0, parts).runs, 0.5) == percentile(counted(one + other), 0.5)


def test_no_durations_have_no_percentile():
    assert percentile({}, 0.5) is None
    assert duration_class(0) == duration_class(-1.0)


def test_engines_add_up_and_stretches_show_the_most():
    one = Sample(at=60, idle=1, processing=2, waiting=3, memory=10, largest=7, succeeded=5, failed=1, canceled=1)
    two = Sample(at=60, starting=1, processing=4, waiting=1, memory=30, largest=9, succeeded=1)
    both, stretch = together(60, [one, two]), span(0, [one, two])
    assert (both.at, both.starting, both.idle, both.processing, both.waiting, both.memory) == (60, 1, 1, 6, 4, 40)
    assert (stretch.at, stretch.idle, stretch.processing, stretch.waiting, stretch.memory) == (0, 1, 4, 3, 30)
    for sample in (both, stretch):
        assert (sample.succeeded, sample.failed, sample.canceled, sample.ended, sample.largest) == (6, 1, 1, 8, 9)


def test_nothing_is_an_empty_sample():
    assert span(30, []) == Sample(at=30)
