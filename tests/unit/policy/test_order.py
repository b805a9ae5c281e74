from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.priority import AGES, URGENCY, Priority
from hearth.policy.order import LOOK, RESERVE, Line, open_to_batch, place

ARRIVALS = st.lists(st.sampled_from("abc"), max_size=40)
CLASSED = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Priority)), max_size=30)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from("abc"), st.sampled_from(Priority)),
        st.tuples(st.just("took"), st.sampled_from("abc"), st.sampled_from(Priority)),
        st.tuples(st.sampled_from(["pop", "end", "remove", "return"]), st.integers(0, 99), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([1, 40, 700]), st.none()),
    ),
    max_size=80,
)


class Item(NamedTuple):
    account: str
    number: int
    priority: Priority = Priority.NORMAL
    created_at: float = 0.0

    @property
    def key(self) -> str:
        return str(self.number)


class World:
    """A line that is used at random, and what must be true of it at any moment."""

    def __init__(self) -> None:
        self.line: Line[Item] = Line()
        self.now = 0.0
        self.waiting: dict[str, Item] = {}
        self.running: dict[str, Item] = {}
        self.number = 0

    def new(self, account: str, priority: Priority) -> Item:
        self.number += 1
        return Item(account, self.number, priority, self.now)

    def act(self, name: str, which: object, priority: Priority | None) -> None:
        if name == "push":
            assert isinstance(which, str)
            assert priority is not None
            item = self.new(which, priority)
            self.line.push(item.account, item.key, item, priority, self.now, self.now)
            self.waiting[item.key] = item
        elif name == "took":
            assert isinstance(which, str)
            assert priority is not None
            item = self.new(which, priority)
            self.line.took(item.account, item.key, priority)
            self.running[item.key] = item
        elif name == "wait":
            assert isinstance(which, int)
            self.now += which
        elif name == "pop":
            found = self.line.pop(self.now)
            assert (found is None) == (not self.waiting)
            if found is not None:
                self.running[found.key] = self.waiting.pop(found.key)
        else:
            assert isinstance(which, int)
            self.change(name, which)

    def change(self, name: str, which: int) -> None:
        among = self.waiting if name == "remove" else self.running
        if not among:
            return
        key = list(among)[which % len(among)]
        item = among.pop(key)
        if name == "remove":
            assert self.line.remove(key)
        else:
            self.line.ended(key)
            if name == "return":
                self.line.push_front(item.account, item.key, item, item.priority)
                self.waiting[key] = item


def filled(accounts: list[str]) -> Line[Item]:
    line: Line[Item] = Line()
    for number, account in enumerate(accounts):
        line.push(account, f"{number}", Item(account, number), Priority.NORMAL, 0.0, 0.0)
    return line


def drained(line: Line[Item], now: float = 0.0) -> list[Item]:
    """All, one after another, each over before the next has its turn."""
    served = []
    while (item := line.pop(now)) is not None:
        line.ended(item.key)
        served.append(item)
    return served


@given(ACTS)
def test_everybody_is_in_it_until_served_or_gone(acts: list[tuple[str, object, Priority | None]]) -> None:
    world = World()
    for act in acts:
        world.act(*act)
        assert len(world.line) == len(world.waiting)
        assert sorted(world.line) == sorted(world.waiting.values())
        depth = Counter(item.priority for item in world.waiting.values())
        assert {p: world.line.depth(p) for p in Priority} == {p: depth[p] for p in Priority}
    assert sorted(drained(world.line, world.now)) == sorted(world.waiting.values())


@given(ACTS)
def test_the_position_is_how_many_are_really_served_before(acts: list[tuple[str, object, Priority | None]]) -> None:
    world = World()
    for act in acts:
        world.act(*act)
    told = {item.number: world.line.position(item.key, world.now) for item in list(world.line)}
    served: list[Item] = []
    while (item := world.line.pop(world.now)) is not None:
        served.append(item)
    assert told == {item.number: index for index, item in enumerate(served)}


@given(ARRIVALS)
def test_each_account_keeps_its_order(accounts: list[str]) -> None:
    served = drained(filled(accounts))
    for account in "abc":
        own = [item.number for item in served if item.account == account]
        assert own == sorted(own)


@given(ARRIVALS)
def test_nobody_waits_for_two_of_another_account_while_waiting_for_one_of_their_own(accounts: list[str]) -> None:
    served = [item.account for item in drained(filled(accounts))]
    for account in set(accounts):
        turns = [index for index, name in enumerate(served) if name == account]
        for last, after in pairwise(turns):
            between = served[last + 1 : after]
            assert len(between) == len(set(between))


@given(CLASSED)
def test_the_more_urgent_are_served_first(arrivals: list[tuple[str, Priority]]) -> None:
    line: Line[Item] = Line()
    for number, (account, priority) in enumerate(arrivals):
        line.push(account, f"{number}", Item(account, number, priority), priority, 0.0, 0.0)
    urgencies = [URGENCY[item.priority] for item in drained(line)]
    assert urgencies == sorted(urgencies)


@given(
    st.sampled_from(Priority),
    st.integers(0, 3),
    st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=10),
    st.lists(st.lists(st.sampled_from(["a", "b", "c", "me"]), max_size=4), min_size=20, max_size=20),
)
def test_nothing_starves(priority: Priority, before: int, early: list[list[str]], late: list[list[str]]) -> None:
    """The bound in the module's docstring: under a flood of interactive work, also of its own account."""
    line: Line[Item] = Line()
    number = 0

    def push(account: str, priority: Priority, now: float) -> str:
        nonlocal number
        number += 1
        line.push(account, str(number), Item(account, number, priority, now), priority, now, now)
        return str(number)

    def flood(names: list[str], now: float) -> None:
        for name in [*names, "a", "b", "c"]:
            push(name, Priority.INTERACTIVE, now)

    mine = [push("me", priority, 0.0) for _ in range(before + 1)][-1]
    ripe = AGES[priority]
    for step, names in enumerate(early):
        now = ripe * step / (len(early) + 1)
        flood(names, now)
        served = line.pop(now)
        assert served is not None
        line.ended(served.key)
    if all(item.key != mine for item in line):
        return
    own = [item for item in line if item.account == "me" and item.key != mine]
    others = {"a", "b", "c"}
    bound = (len(own) + 1) * len(others) + len(own)
    for count in range(bound + 1):
        flood(late[count % len(late)], ripe)
        served = line.pop(ripe)
        assert served is not None
        line.ended(served.key)
        if served.key == mine:
            return
    pytest.fail(f"not served within {bound}")


@given(ACTS)
def test_who_is_passed_over_has_more_running(acts: list[tuple[str, object, Priority | None]]) -> None:
    line: Line[Item] = Line()
    running: Counter[str] = Counter()
    waiting: list[Item] = []
    for number, (name, which, _) in enumerate(acts):
        if name in ("push", "took"):
            account = str(which)
            if name == "push":
                waiting.append(Item(account, number))
                line.push(account, str(number), waiting[-1], Priority.NORMAL, 0.0, 0.0)
            else:
                line.took(account, str(number), Priority.NORMAL)
                running[account] += 1
        elif (item := line.pop(0.0)) is not None:
            waiting.remove(item)
            assert running[item.account] == min(running[other.account] for other in [*waiting, item])
            running[item.account] += 1


def test_batch_work_can_be_left_waiting_until_it_is_of_age() -> None:
    line: Line[str] = Line()
    line.push("a", "batch", "batch", Priority.BATCH, 0.0, 0.0)
    assert line.matures_next() == AGES[Priority.BATCH]
    assert line.pop(599.0, batch=False) is None
    assert len(line) == 1
    assert line.pop(600.0, batch=False) == "batch"
    assert line.matures_next() is None


def test_an_older_one_that_comes_late_goes_to_its_place() -> None:
    line: Line[int] = Line()
    for created_at in (1, 5, 9, 7, 3):
        line.push("a", f"{created_at}", created_at, Priority.NORMAL, created_at, 10.0)
    assert [line.position(f"{n}", 10.0) for n in (1, 3, 5, 7, 9)] == [0, 1, 2, 3, 4]
    assert [line.pop(10.0) for _ in range(5)] == [1, 3, 5, 7, 9]


def test_an_account_with_much_running_lets_others_go_first() -> None:
    line: Line[str] = Line()
    line.took("busy", "1", Priority.NORMAL)
    line.took("busy", "2", Priority.NORMAL)
    line.push("busy", "3", "busy", Priority.NORMAL, 0.0, 0.0)
    for key in ("4", "5", "6"):
        line.push("other", key, key, Priority.NORMAL, 0.0, 0.0)
    assert line.position("3", 0.0) == 2
    assert [line.pop(0.0) for _ in range(4)] == ["4", "5", "busy", "6"]


def test_what_is_less_urgent_does_not_count() -> None:
    line: Line[str] = Line()
    for n, priority in enumerate([*Priority, Priority.BATCH]):
        line.push("a", f"{n}", "x", priority, 0.0, 0.0)
    assert [line.within(priority) for priority in Priority] == [1, 2, 4]


def test_what_comes_back_is_next() -> None:
    line = filled(["a", "b"])
    first = line.pop(0.0)
    assert first is not None
    line.ended(first.key)
    line.push_front(first.account, first.key, first, first.priority)
    assert line.position(first.key, 0.0) == 0
    assert line.pop(0.0) == first


@given(CLASSED)
def test_each_account_of_each_class_has_a_head(arrivals: list[tuple[str, Priority]]) -> None:
    line: Line[Item] = Line()
    firsts: dict[tuple[str, Priority], Item] = {}
    for number, (account, priority) in enumerate(arrivals):
        item = Item(account, number, priority)
        firsts.setdefault((account, priority), item)
        line.push(account, item.key, item, priority, 0.0, 0.0)
    assert sorted(line.heads()) == sorted(firsts.values())


def test_an_empty_line_has_nobody() -> None:
    line: Line[int] = Line()
    assert line.pop(0.0) is None
    assert line.position("1", 0.0) is None
    assert not line.remove("1")
    line.ended("1")


def test_a_long_line_is_not_counted_to_the_end() -> None:
    line: Line[int] = Line()
    for number in range(LOOK + 10):
        line.push("a", f"{number}", number, Priority.NORMAL, 0.0, 0.0)
    assert line.position(f"{LOOK}", 0.0) == LOOK
    assert line.position(f"{LOOK + 1}", 0.0) is None
    assert place(None) == "more than 1000 ahead in line"


@pytest.mark.parametrize(
    ("slots", "free", "quiet", "may"),
    [
        (1, 1, 0.0, True),
        (2, 1, 0.0, False),
        (2, 2, 0.0, True),
        (8, 1, RESERVE - 1, False),
        (8, 1, RESERVE, True),
        (8, 2, 0.0, True),
    ],
)
def test_the_last_slot_is_kept_from_batch_work(slots: int, free: int, quiet: float, may: bool) -> None:
    assert open_to_batch(slots, free, quiet) is may


@pytest.mark.parametrize(
    ("ahead", "words"), [(0, "first in line"), (1, "second in line"), (9, "tenth in line"), (10, "number 11 in line")]
)
def test_places_in_words(ahead: int, words: str) -> None:
    assert place(ahead) == words
