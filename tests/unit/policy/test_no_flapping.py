"""Flapping is impossible: theorems about one lane with room of its own, over generated arrival histories.

The lane below is driven by `decide` and `ends` alone, in virtual time. What holds for every history:

1. At most `maximum` instances exist.
2. Whatever became ready and has no work stays for `idle_timeout`, and nothing that works is ended. Hence:
3. In any `idle_timeout` at most `maximum` instances boot.
4. Everybody is served, whatever was expected, and at the end nothing is left.
5. Where runs take as long as expected and there is room, nobody waits for longer than three boots and two runs.
"""

from __future__ import annotations

import heapq
from itertools import count

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hearth.policy.autoscale import PATIENCE, Load, decide, ends


class Machine(msgspec.Struct):
    ready_at: float
    began: float = 0.0
    busy_until: float = 0.0
    idle_since: float | None = None


class Lane:
    """One waiting line with one slot for each instance."""

    def __init__(self, *, boot: float, timeout: float, maximum: int, run: float | None, timed: bool) -> None:
        self.boot, self.timeout, self.maximum, self.run = boot, timeout, maximum, run
        self.now = 0.0
        self.timed = timed
        """Whether boots of it were measured before; else the first one does."""
        self.machines: list[Machine] = []
        self.line: list[tuple[float, float]] = []
        self.boots: list[float] = []
        self.ended: list[Machine] = []
        self.waits: list[float] = []
        self._agenda: list[tuple[float, int]] = []
        self._numbers = count()

    def at(self, when: float) -> None:
        heapq.heappush(self._agenda, (when, next(self._numbers)))

    def play(self, arrivals: list[tuple[float, float]]) -> None:
        """`arrivals`: when, and how long its run takes."""
        coming = sorted(arrivals)
        for when, _ in coming:
            self.at(when)
        while self._agenda:
            self.now, _ = heapq.heappop(self._agenda)
            while coming and coming[0][0] <= self.now:
                self.line.append(coming.pop(0))
            self._step()

    def _step(self) -> None:
        for machine in self.machines:
            if machine.idle_since is None and machine.ready_at <= self.now and machine.busy_until <= self.now:
                machine.idle_since = self.now
                self.at(self.now + self.timeout)
        for machine in self.machines:
            if machine.idle_since is not None and self.line:
                arrived, seconds = self.line.pop(0)
                self.waits.append(self.now - arrived)
                machine.idle_since, machine.began, machine.busy_until = None, self.now, self.now + seconds
                self.at(machine.busy_until)
        for machine in list(self.machines):
            if machine.idle_since is not None and ends(self.now - machine.idle_since, self.timeout, len(self.line)):
                assert machine.ready_at <= self.now
                assert machine.busy_until <= self.now - self.timeout or machine.busy_until == 0.0
                self.machines.remove(machine)
                self.ended.append(machine)
        self._plan()
        assert len(self.machines) <= self.maximum

    def _plan(self) -> None:
        ready = [machine for machine in self.machines if machine.ready_at <= self.now]
        self.timed = self.timed or bool(ready)
        decision = decide(
            Load(
                waiting=len(self.line),
                running=sum(1 for machine in ready if machine.idle_since is None),
                ready=len(ready),
                booting=len(self.machines) - len(ready),
                maximum=self.maximum,
                oldest=self.now - self.line[0][0] if self.line else 0.0,
                run=self.run,
                running_for=min((self.now - m.began for m in ready if m.idle_since is None), default=0.0),
                boot=self.boot if self.timed else None,
            )
        )
        for _ in range(decision.wanted - len(self.machines)):
            self.machines.append(Machine(self.now + self.boot))
            self.boots.append(self.now)
            self.at(self.now + self.boot)
        if decision.again is not None:
            self.at(self.now + decision.again)


# Whole milliseconds, as numbers that a float holds exactly.
seconds = st.integers(1, 200 * 64).map(lambda n: n / 64)
histories = st.lists(st.tuples(st.integers(0, 600 * 64).map(lambda n: n / 64), seconds), min_size=1, max_size=60)
lanes = st.builds(
    Lane,
    boot=st.integers(1, 30 * 64).map(lambda n: n / 64),
    timeout=seconds,
    maximum=st.integers(1, 6),
    run=st.one_of(st.none(), seconds),
    timed=st.booleans(),
)


@settings(deadline=None)  # histories differ in length
@given(lanes, histories)
def test_boots_are_bounded_in_every_span_of_time(lane: Lane, history: list[tuple[float, float]]) -> None:
    lane.play(history)
    for start in lane.boots:
        assert sum(1 for at in lane.boots if start <= at < start + lane.timeout) <= lane.maximum
    assert len(lane.boots) <= len(history)


@settings(deadline=None)  # histories differ in length
@given(lanes, histories)
def test_everybody_is_served_and_nothing_is_left(lane: Lane, history: list[tuple[float, float]]) -> None:
    lane.play(history)
    assert len(lane.waits) == len(history)
    assert not lane.machines
    assert len(lane.ended) == len(lane.boots)


@settings(deadline=None)  # histories differ in length
@given(lanes, histories, seconds)
def test_nobody_waits_for_long_where_there_is_room(lane: Lane, history: list[tuple[float, float]], run: float) -> None:
    lane.maximum, lane.run = len(history), run
    lane.play([(at, run) for at, _ in history])
    assert max(lane.waits) <= 3 * max(lane.boot, PATIENCE) + 2 * run
