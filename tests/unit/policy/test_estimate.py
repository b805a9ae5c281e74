from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.policy.estimate import Outlook, about, expected, remaining, wait

SECONDS = st.integers(0, 100).map(lambda n: n / 4)


@pytest.mark.parametrize(
    ("times", "seconds"), [((), None), ((3.0,), 3.0), ((1.0, 100.0, 2.0), 2.0), ((1.0, 2.0, 3.0, 4.0), 2.5)]
)
def test_the_next_run_takes_the_median(times: tuple[float, ...], seconds: float | None) -> None:
    assert expected(times) == seconds


@pytest.mark.parametrize(
    ("times", "elapsed", "left"),
    [
        ((), 0.0, None),
        ((10.0,), 4.0, 6.0),
        ((10.0, 20.0), 4.0, 11.0),
        ((10.0, 20.0, 30.0), 12.0, 13.0),
        ((10.0,), 10.0, None),
    ],
)
def test_what_is_left_of_a_run(times: tuple[float, ...], elapsed: float, left: float | None) -> None:
    assert remaining(times, elapsed) == left


@pytest.mark.parametrize(
    ("slots", "run", "ahead", "seconds"),
    [
        # One slot that is free in 12 s, runs of 20 s.
        ((12.0,), 20.0, 0, 12.0),
        ((12.0,), 20.0, 1, 32.0),
        ((12.0,), 20.0, 5, 112.0),
        # Nobody has run it yet: only the first start is known.
        ((12.0,), None, 0, 12.0),
        ((12.0,), None, 1, None),
        ((12.0, 30.0), None, 1, 30.0),
        # A slot of which nothing is known is not counted on.
        ((None,), 20.0, 0, None),
        ((None, 5.0), 20.0, 1, 25.0),
        # An instance that boots joins in.
        ((3.0, 45.0), 10.0, 4, 43.0),
        ((3.0, 45.0), 10.0, 5, 45.0),
        ((3.0, 45.0), 10.0, 6, 53.0),
        ((), 10.0, 0, None),
        ((1.0,), 1.0, None, None),
        # Runs that take no time at all.
        ((0.5, 0.0), 0.0, 0, 0.0),
    ],
)
def test_starts(slots: tuple[float | None, ...], run: float | None, ahead: int | None, seconds: float | None) -> None:
    assert wait(Outlook(slots=slots, run=run), ahead) == seconds


@given(st.lists(SECONDS, min_size=1, max_size=6), st.integers(1, 60).map(lambda n: n / 4), st.integers(0, 60))
def test_it_is_what_playing_it_through_gives(slots: list[float], run: float, ahead: int) -> None:
    heap = sorted(slots)
    for _ in range(ahead):
        heapq.heapreplace(heap, heap[0] + run)
    assert wait(Outlook(slots=tuple(slots), run=run), ahead) == heap[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a second"),
        (4.4, "about 4 s"),
        (41.0, "about 40 s"),
        (57.0, "about 55 s"),
        (58.0, "about a minute"),
        (600.0, "about 10 minutes"),
        (7200.0, "about 2 hours"),
    ],
)
def test_estimates_in_words(seconds: float, words: str) -> None:
    assert about(seconds) == words
