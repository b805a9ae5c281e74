from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.policy.order import LOOK, Line, place

ARRIVALS = st.lists(st.sampled_from("abc"), max_size=40)


def filled(accounts: list[str]) -> Line[tuple[str, int]]:
    line: Line[tuple[str, int]] = Line()
    for number, account in enumerate(accounts):
        line.push(account, f"{number}", (account, number))
    return line


def drained(line: Line[tuple[str, int]]) -> list[tuple[str, int]]:
    return [line.pop() for _ in range(len(line))]


@given(ARRIVALS)
def test_everybody_is_served_once_and_each_account_in_its_order(accounts: list[str]) -> None:
    served = drained(filled(accounts))
    assert sorted(number for _, number in served) == list(range(len(accounts)))
    for account in "abc":
        own = [number for name, number in served if name == account]
        assert own == sorted(own)


@given(ARRIVALS)
def test_nobody_waits_for_two_of_another_account_while_waiting_for_one_of_their_own(accounts: list[str]) -> None:
    served = [account for account, _ in drained(filled(accounts))]
    for account in set(accounts):
        turns = [index for index, name in enumerate(served) if name == account]
        for last, after in pairwise(turns):
            between = served[last + 1 : after]
            assert len(between) == len(set(between))


@given(ARRIVALS, st.lists(st.integers(0, 39), max_size=10), st.integers(0, 10))
def test_the_position_is_how_many_are_really_served_before(
    accounts: list[str], removed: list[int], popped: int
) -> None:
    line = filled(accounts)
    for _ in range(min(popped, len(line))):
        line.pop()
    for number in removed:
        if number < len(accounts):
            line.remove(accounts[number], f"{number}")
    told = {number: line.position(account, f"{number}") for account, number in line}
    assert told == {number: index for index, (_, number) in enumerate(drained(line))}


@given(ARRIVALS)
def test_what_comes_back_is_next(accounts: list[str]) -> None:
    line = filled(accounts)
    if accounts:
        first = line.pop()
        line.push_front(first[0], f"{first[1]}", first)
        assert line.position(first[0], f"{first[1]}") == 0
        assert line.pop() == first


@given(ARRIVALS)
def test_the_oldest_is_among_the_heads(accounts: list[str]) -> None:
    line = filled(accounts)
    heads = list(line.heads())
    assert min((n for _, n in heads), default=None) == (0 if accounts else None)


def test_an_empty_line_has_nobody() -> None:
    line: Line[int] = Line()
    with pytest.raises(IndexError):
        line.pop()
    assert line.position("a", "1") is None
    assert not line.remove("a", "1")


def test_a_long_line_is_not_counted_to_the_end() -> None:
    line: Line[int] = Line()
    for number in range(LOOK + 10):
        line.push("a", f"{number}", number)
    assert line.position("a", f"{LOOK}") == LOOK
    assert line.position("a", f"{LOOK + 1}") is None
    assert place(None) == "more than 1000 ahead in line"


@pytest.mark.parametrize(
    ("ahead", "words"), [(0, "first in line"), (1, "second in line"), (9, "tenth in line"), (10, "number 11 in line")]
)
def test_places_in_words(ahead: int, words: str) -> None:
    assert place(ahead) == words
