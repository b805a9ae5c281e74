"""Words that come fast are told together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from engine.job import Piece
from engine.scheduler import Scheduler
from engine.telling import MOST, PACE, Telling

from .test_scheduler import Counting, Words, job


class Clock:
    """Each step takes `step` seconds."""

    def __init__(self, backend: Counting, step: float) -> None:
        self.now, feed = 0.0, backend.feed

        def timed(work: Sequence[Any]) -> Any:
            self.now += step
            return feed(work)

        backend.feed = timed  # type: ignore[method-assign]

    def __call__(self) -> float:
        return self.now


def steps(backend: Counting, step: float) -> tuple[Scheduler, Clock]:
    clock = Clock(backend, step)
    return Scheduler(backend, Words(999), clock=clock), clock  # type: ignore[arg-type]


def told(scheduler: Scheduler, clock: Clock, key: int) -> list[tuple[float, Piece]]:
    """What is told of one job until it ends, and when."""
    found: list[tuple[float, Piece]] = []
    while scheduler.busy:
        for of, word in scheduler.step():
            assert isinstance(word, Piece)
            if of == key:
                found.append((clock.now, word))
    return found


def test_a_slow_model_tells_each_token() -> None:
    scheduler, clock = steps(Counting(), 0.03)
    scheduler.add(0, job([10, 10], limit=20))
    assert [piece.tokens for _, piece in told(scheduler, clock, 0)] == list(range(1, 21))


def test_a_fast_model_tells_its_first_words_at_once_and_then_some_at_a_time() -> None:
    scheduler, clock = steps(Counting(), 0.002)
    scheduler.add(0, job([10, 10], limit=100))
    words = told(scheduler, clock, 0)
    assert "".join(piece.text for _, piece in words) == "".join(f"{n % 60 or 60} " for n in range(1, 101))
    assert [piece.tokens for _, piece in words[:4]] == [1, 2, 3, 4]
    waits = [after - before for (before, _), (after, _) in itertools.pairwise(words)]
    assert max(waits) < PACE + 0.003
    assert len(words) < 25
    assert (words[-1][1].tokens, words[-1][1].ended) == (100, "length")


def test_a_beginning_and_an_end_are_told_at_their_step_and_alone() -> None:
    scheduler, _clock = steps(Counting(), 0.004)
    scheduler.add(0, job([10, 10], limit=200))
    for _ in range(50):
        scheduler.step()
    scheduler.add(1, job([10], limit=1))
    alone = 0
    while scheduler.busy:
        said = dict(scheduler.step())
        if 1 in said:
            assert said[1].ended == "length"  # type: ignore[union-attr]
            alone += len(said) == 1
            if alone < 40:
                scheduler.add(1, job([10], limit=1))  # one begins and ends with each step
    assert alone > 30, "the other text waits"


def test_what_begins_all_the_time_keeps_no_text_for_long() -> None:
    scheduler, clock = steps(Counting(), 0.004)
    scheduler.add(0, job([10, 10], limit=200))
    times = []
    while scheduler.busy:
        said = dict(scheduler.step())
        if 0 in said:
            times.append(clock.now)
            if said[0].ended:  # type: ignore[union-attr]
                break
        scheduler.add(1, job([10], limit=1))
    assert max(after - before for before, after in itertools.pairwise(times)) < 2 * PACE + 0.005


def test_what_was_held_comes_before_the_error() -> None:
    backend = Counting()
    scheduler, _ = steps(backend, 0.001)
    scheduler.add(0, job([10, 10], limit=100))
    said = [word for _ in range(41) for _, word in scheduler.step()]
    backend.broken = RuntimeError("CUDA says no")
    rest = [word for _, word in scheduler.step()]
    assert isinstance(rest[0], Piece)
    assert rest[0].tokens == 41 > said[-1].tokens  # type: ignore[union-attr]
    assert rest[1] is backend.broken
    assert not scheduler.busy


@pytest.mark.parametrize("crowded", [False, True])
def test_nothing_is_due_where_nothing_is_held(crowded: bool) -> None:
    telling = Telling()
    assert not telling.urgent
    assert not telling.due(1.0, beside=1, crowded=crowded)
    assert telling.take(1.0) is None


def test_a_text_begins_with_its_first_words_not_with_its_first_token() -> None:
    telling = Telling()
    telling.add(Piece("", 1, 3))
    assert telling.urgent
    assert telling.take(0.0) == Piece("", 1, 3)
    telling.add(Piece("é", 2, 3))
    assert telling.urgent
    telling.take(0.1)
    telling.add(Piece("a", 3, 3))
    assert not telling.urgent
    telling.add(Piece("b", 4, 3, "stop", False))
    assert telling.urgent
    assert telling.take(0.2) == Piece("ab", 4, 3, "stop", False)


@pytest.mark.parametrize(("beside", "least"), [(1, PACE), (40, PACE), (256, 256 / MOST)])
def test_many_texts_are_told_less_often(beside: int, least: float) -> None:
    """So that all of them together keep whoever hands them on busy, and no busier."""
    telling, now = Telling(), 0.0
    times = []
    for token in range(1, 4000):
        now += 0.001
        telling.add(Piece("a", token, 1))
        if telling.urgent or telling.due(now, beside=beside):
            telling.take(now)
            times.append(now)
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert waits[-1] == pytest.approx(least, abs=0.0015)
