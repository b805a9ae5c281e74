"""Schedules in words: what they mean, what is refused, and that `next_change` tells the truth, clock changes too."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.schedule import DAYS, Schedule, ScheduleInvalid, Window, parse

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def test_weekdays() -> None:
    schedule = parse("weekdays 8-19")
    assert schedule.is_open(at("2026-11-20 08:00"))  # a Friday
    assert schedule.is_open(at("2026-11-20 18:59:59"))
    assert not schedule.is_open(at("2026-11-20 19:00"))
    assert not schedule.is_open(at("2026-11-21 12:00"))
    assert schedule.next_change(at("2026-11-20 12:00")) == at("2026-11-20 19:00")
    assert schedule.next_change(at("2026-11-20 19:00")) == at("2026-11-23 08:00")


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("mon 8-9", [(0, 480, 540)]),
        ("Daily 7:30-9", [(day, 450, 540) for day in range(7)]),
        ("weekends 0-24", [(5, 0, 1440), (6, 0, 1440)]),
        ("fri 22-2", [(4, 1320, 1560)]),
        ("mon, wed 8-9, 10-11:15", [(0, 480, 540), (0, 600, 675), (2, 480, 540), (2, 600, 675)]),
        ("sat-mon 8-9", [(0, 480, 540), (5, 480, 540), (6, 480, 540)]),
        ("mon 8-9; tue 9 - 10;", [(0, 480, 540), (1, 540, 600)]),
    ],
)
def test_what_words_mean(text: str, windows: list[tuple[int, int, int]]) -> None:
    assert parse(text).windows == tuple(Window(*each) for each in windows)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" ; ", "empty"),
        ("weekdays", "days, then times"),
        ("8-19", "days, then times"),
        ("someday 8-19", "'someday' is no day"),
        ("mon-someday 8-19", "is no day"),
        ("mon 8", "'8' is no span"),
        ("mon 8-9-10", "is no span"),
        ("mon 8-25", "beyond the day"),
        ("mon 24-3", "beyond the day"),
        ("mon 8:60-9", "beyond the day"),
        ("mon 8-9,", "is no span"),
    ],
)
def test_what_is_refused_says_why(text: str, says: str) -> None:
    with pytest.raises(ScheduleInvalid, match=says):
        parse(text)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", ""])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ScheduleInvalid, match="no time zone"):
        parse("daily 8-9", zone)


def test_a_window_past_midnight_ends_on_the_next_day() -> None:
    schedule = parse("sun 22-2")
    assert schedule.is_open(at("2026-11-23 01:59"))  # a Monday
    assert not schedule.is_open(at("2026-11-24 01:00"))
    assert schedule.next_change(at("2026-11-22 22:00")) == at("2026-11-23 02:00")


def test_what_is_always_open_never_changes() -> None:
    assert parse("daily 0-24").next_change(at("2026-11-22 22:00")) is None


def test_in_spring_a_window_begins_where_the_clock_is_put_forward() -> None:
    schedule = parse("sun 2:30-5", "Europe/Berlin")
    before = at("2026-03-29 01:00", "Europe/Berlin")
    assert schedule.next_change(before) == at("2026-03-29 03:00", "Europe/Berlin")
    skipped = parse("sun 2-3", "Europe/Berlin")
    assert skipped.next_change(before) == at("2026-04-05 02:00", "Europe/Berlin")


def test_in_autumn_an_hour_that_comes_twice_is_open_twice() -> None:
    schedule = parse("sun 2-3", "Europe/Berlin")
    opens = at("2026-10-25 02:00", "Europe/Berlin")
    assert schedule.next_change(opens - 60) == opens
    assert schedule.next_change(opens) == opens + 2 * 3600


windows = st.builds(
    lambda day, start, length: Window(day, start, start + length),
    st.integers(0, 6),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
schedules = st.builds(Schedule, st.lists(windows, min_size=1, max_size=4).map(tuple), st.sampled_from(ZONES))
moments = st.one_of(
    st.floats(1_700_000_000, 1_900_000_000),
    # Around clock changes of those zones.
    st.sampled_from(
        [at("2026-03-29 01:00"), at("2026-10-25 01:00"), at("2026-03-08 07:00"), at("2026-04-04 15:00")]
    ).flatmap(lambda base: st.floats(base - 90_000, base + 90_000)),
)


@given(schedules, moments)
def test_until_the_next_change_nothing_changes(schedule: Schedule, start: float) -> None:
    change = schedule.next_change(start)
    end = start + 8 * 86400 if change is None else change
    now = schedule.is_open(start)
    probe = start
    while probe < end:
        assert schedule.is_open(probe) is now
        probe += 419.0
    assert schedule.is_open(max(start, end - 0.5)) is now
    if change is not None:
        assert change > start
        assert schedule.is_open(change) is not now


@given(st.sets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(0, 1440))
def test_what_is_written_is_read(days: set[int], start: int, end: int) -> None:
    text = f"{','.join(DAYS[day] for day in days)} {start // 60}:{start % 60:02}-{end // 60}:{end % 60:02}"
    assert parse(text).windows == tuple(Window(day, start, end if end > start else end + 1440) for day in sorted(days))
