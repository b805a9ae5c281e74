"""The bucket: what it lets through, what it says, and what it believes of other processes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hearth.policy.ratelimit import WINDOW, Bucket, Rates, Verdict, rates

NOW = 1_800_000_000.0


def test_a_whole_minute_at_once_and_then_nothing() -> None:
    bucket = Bucket()
    assert [bucket.take(3, NOW + n).remaining for n in range(3)] == [2, 1, 0]
    assert bucket.take(3, NOW + 29.5) == Verdict(False, 0, 31)
    assert bucket.take(3, NOW + 59.9) == Verdict(False, 0, 1)
    assert bucket.take(3, NOW + 60.0) == Verdict(True, 2, 60)


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    bucket = Bucket()
    assert bucket.take(1, NOW).allowed
    assert not bucket.take(1, NOW - 1.0).allowed
    assert bucket.take(1, NOW - 3600.0).allowed


@given(st.lists(st.floats(0, 300), max_size=200), st.integers(1, 20))
def test_no_filling_lets_more_through_than_it_holds(moments: list[float], allowance: int) -> None:
    bucket, passed = Bucket(), list[float]()
    for moment in sorted(moments):
        verdict = bucket.take(allowance, NOW + moment)
        assert 0 <= verdict.remaining < allowance or verdict.allowed
        assert 1 <= verdict.reset <= WINDOW
        if verdict.allowed:
            passed.append(moment)
    # Two fillings can meet in any span of a minute, never three.
    for at in passed:
        assert sum(at <= other < at + WINDOW for other in passed) <= 2 * allowance


def test_what_others_let_through_counts_and_ones_own_counts_once() -> None:
    bucket = Bucket()
    for _ in range(4):
        bucket.take(10, NOW)
    reported = bucket.unreported
    bucket.take(10, NOW)  # while the report is under way
    bucket.told(used=7, started_at=NOW - 5, reported=reported)
    assert (bucket.used, bucket.unreported) == (8, 1)
    assert bucket.take(10, NOW) == Verdict(True, 1, 55)


def test_an_account_has_the_servers_rates_or_its_own() -> None:
    server = Rates(600, 3000)
    assert rates(server, None, None) == server
    assert rates(server, 5, None) == Rates(5, 3000)
    assert rates(server, 0, 0) == Rates(None, None)
    assert (server.reads, Rates().reads) == (60_000, None)
