from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.boot import Boot, BootPhase, Lap
from hearth.policy.boots import RECENT, History, expected, remaining


def boot(seconds: float, version: str = "v") -> Boot:
    laps = (Lap(BootPhase.IMPORT, seconds / 2), Lap(BootPhase.SETUP, seconds / 2))
    return Boot(version_id=version, environment="e", at=0.0, laps=laps)


def history(*seconds: float) -> History:
    return History(version=tuple(boot(s) for s in seconds))


SECONDS = st.lists(st.floats(0.001, 1000), min_size=1, max_size=20)


def test_nothing_is_known_of_a_new_version_in_a_new_environment() -> None:
    assert expected(History()) is None
    assert remaining(History(), 1.0) is None


def test_one_slow_boot_does_not_count_for_much() -> None:
    assert expected(history(4.0, 90.0, 5.0)) == 5.0


def test_a_new_version_is_expected_to_boot_like_others_of_its_environment() -> None:
    others = (boot(3.0, "another"),)
    assert expected(History(environment=others)) == 3.0
    assert expected(History(version=(boot(8.0),), environment=others)) == 8.0


def test_old_boots_are_forgotten() -> None:
    assert expected(history(*[1.0] * RECENT, *[60.0] * 20)) == 1.0


def test_a_boot_that_takes_longer_than_any_before_has_no_estimate() -> None:
    assert remaining(history(4.0, 6.0), 1.0) == 4.0
    assert remaining(history(4.0, 6.0), 5.0) == 1.0
    assert remaining(history(4.0, 6.0), 6.0) is None


def test_a_boot_is_added() -> None:
    grown = history(4.0).with_boot(boot(2.0))
    assert expected(grown) == 3.0
    assert len(history(*[1.0] * 9).with_boot(boot(2.0)).version) == RECENT


@given(SECONDS)
def test_at_its_beginning_a_boot_has_all_of_it_before_it(seconds: list[float]) -> None:
    assert remaining(history(*seconds), 0.0) == expected(history(*seconds))


@given(SECONDS, st.floats(0, 1000))
def test_what_remains_is_more_than_nothing_and_within_what_was_seen(seconds: list[float], elapsed: float) -> None:
    left = remaining(history(*seconds), elapsed)
    if left is not None:
        assert left > 0
        assert left + elapsed <= max(seconds) + 1e-9 * max(seconds)
    usual = expected(history(*seconds))
    assert usual is not None
    assert min(seconds) - 1e-6 <= usual <= max(seconds) + 1e-6
