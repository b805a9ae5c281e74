"""Grouping: for any history of arrivals, departures and slots."""

from __future__ import annotations

import math
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from hearth.policy.batching import Gathering


class Arrival(NamedTuple):
    at: float
    kin: str
    leaves: float
    """It gives up waiting after this many seconds."""


arrivals = st.lists(
    st.builds(
        Arrival,
        at=st.floats(0, 3),
        kin=st.sampled_from("ab"),
        leaves=st.one_of(st.just(math.inf), st.floats(0, 2)),
    ),
    max_size=40,
)
bounds = st.tuples(st.integers(1, 5), st.floats(0, 1))


class World:
    """One slot, virtual time, and the loop that the dispatcher is. `runs` are (start, members)."""

    def __init__(self, history: list[Arrival], size: int, wait: float, run: float) -> None:
        self.arrivals = {f"{number:03}": a for number, a in enumerate(sorted(history, key=lambda a: a.at))}
        self.gathering: Gathering[str] = Gathering(size, wait)
        self.line: list[str] = []
        self.runs: list[tuple[float, list[str]]] = []
        self.left: set[str] = set()
        self.run = run
        self.play()

    def play(self) -> None:
        now = free_at = 0.0
        coming = list(self.arrivals)
        while coming or self.line:
            for id in [id for id in self.line if self.arrivals[id].at + self.arrivals[id].leaves <= now]:
                self.line.remove(id)
                self.gathering.leave(id)
                self.left.add(id)
            while coming and self.arrivals[coming[0]].at <= now:
                id = coming.pop(0)
                self.gathering.join(id, self.arrivals[id].kin, id, self.arrivals[id].at)
                self.line.append(id)
            delay = self.gathering.delay(now)
            if delay == 0 and free_at <= now:
                group = self.gathering.take(self.line[0])
                self.line = [id for id in self.line if id not in group]
                self.runs.append((now, group))
                free_at = now + self.run
                continue
            times = [self.arrivals[id].at + self.arrivals[id].leaves for id in self.line]
            times += [self.arrivals[coming[0]].at] if coming else []
            times += [max(now + delay, free_at)] if delay is not None else []
            later = [t for t in times if t > now]
            now = min(later) if later else math.nextafter(now, math.inf)


@given(arrivals, bounds, st.floats(0, 1))
def test_everybody_runs_once_or_has_left(history: list[Arrival], bound: tuple[int, float], run: float) -> None:
    world = World(history, *bound, run)
    ran = [id for _, group in world.runs for id in group]
    assert sorted(ran) == sorted(set(world.arrivals) - world.left)
    assert len(world.gathering) == 0
    assert world.gathering.delay(math.inf) is None


@given(arrivals, bounds, st.floats(0, 1))
def test_a_group_is_of_one_kind_no_larger_than_allowed_and_in_order(
    history: list[Arrival], bound: tuple[int, float], run: float
) -> None:
    world = World(history, *bound, run)
    for _, group in world.runs:
        assert 1 <= len(group) <= bound[0]
        assert len({world.arrivals[id].kin for id in group}) == 1
        assert group == sorted(group)


@given(arrivals, bounds, st.floats(0, 1))
def test_nobody_waits_longer_than_the_wait_while_the_slot_is_free(
    history: list[Arrival], bound: tuple[int, float], run: float
) -> None:
    world = World(history, *bound, run)
    busy = [(start, start + run) for start, _ in world.runs]
    for start, group in world.runs:
        for id in group:
            due = world.arrivals[id].at + bound[1]
            if start > due + 1e-9:  # then the slot was taken from when it was due until now
                assert any(a - 1e-9 <= due <= b + 1e-9 for a, b in busy)
                reached = due
                for a, b in busy:
                    if a <= reached + 1e-9:
                        reached = max(reached, b)
                assert reached >= start - 1e-9


@given(st.integers(1, 6), st.integers(0, 12))
def test_a_whole_group_does_not_wait(size: int, more: int) -> None:
    gathering: Gathering[int] = Gathering(size, 1.0)
    for number in range(size + more):
        gathering.join(str(number), "same", number, 0.0)
        assert gathering.delay(0.5) == (0.0 if number + 1 >= size else 0.5)
    assert gathering.take("0") == list(range(size))


def test_the_one_who_is_next_is_taken_though_others_came_first() -> None:
    gathering: Gathering[str] = Gathering(2, 1.0)
    for id in "abc":
        gathering.join(id, "same", id, 0.0)
    assert gathering.take("c") == ["a", "c"]


def test_what_came_back_is_due_at_once_and_first() -> None:
    gathering: Gathering[str] = Gathering(3, 1.0)
    gathering.join("a", "same", "a", 5.0)
    gathering.rejoin("b", "same", "b")
    assert gathering.delay(5.0) == 0.0
    assert gathering.take("a") == ["b", "a"]


def test_new_bounds_count_for_those_who_wait() -> None:
    gathering: Gathering[str] = Gathering(4, 1.0)
    for id in "ab":
        gathering.join(id, "same", id, 0.0)
    gathering.resize(2, 0.1)
    assert gathering.delay(0.0) == 0.0
    gathering.resize(3, 0.1)
    assert gathering.delay(0.0) == 1.0
    gathering.join("c", "other", "c", 0.0)
    assert gathering.take("c") == ["c"]
