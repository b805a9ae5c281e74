"""A weekly schedule in words: `weekdays 8-19`, `daily 7:30-9; sat,sun 10-14`, and when it opens and closes.

    schedule = window { ";" window }      window = days times { "," times }
    days     = "daily" | "weekdays" | "weekends" | day [ "-" day ] { "," day [ "-" day ] }      day = "mon" ... "sun"
    times    = H[:MM] "-" H[:MM]          from the first until the second; past midnight if that is not later

A schedule is read on the clock on the wall of its time zone: in the hour that is skipped in spring nothing can be
open, in the one that comes twice in autumn a window that holds it is open twice as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
_TIMES = re.compile(r"(\d{1,2})(?::(\d\d))?\s*-\s*(\d{1,2})(?::(\d\d))?")
_DAY = 24 * 60
_AHEAD = 15
"""Days that are looked at for the next change: every week has all its windows but what a clock change took."""


class ScheduleInvalid(ValueError):
    """The text is no schedule. The message says which part, and how to write it."""


class Window(msgspec.Struct, frozen=True):
    """From `start` to `end`, minutes after midnight, on `day` (0 is Monday). `end` may lie on the next day."""

    day: int
    start: int
    end: int


class Schedule(msgspec.Struct, frozen=True):
    windows: tuple[Window, ...]
    zone: str = "UTC"
    """An IANA name: `Europe/Berlin`."""

    def is_open(self, at: float) -> bool:
        """`at`: seconds since 1970."""
        return self._open(datetime.fromtimestamp(at, ZoneInfo(self.zone)))

    def next_change(self, at: float) -> float | None:
        """When it next opens or closes after `at`; None if it never does."""
        zone = ZoneInfo(self.zone)
        now = self._open(datetime.fromtimestamp(at, zone))
        for moment in sorted(set(self._moments(datetime.fromtimestamp(at, zone).date(), zone))):
            if moment > at and self.is_open(moment) is not now:
                return moment
        return None

    def _open(self, local: datetime) -> bool:
        minute, today = local.hour * 60 + local.minute, local.weekday()
        return any(
            (w.day == today and w.start <= minute < w.end) or (w.day == (today - 1) % 7 and minute < w.end - _DAY)
            for w in self.windows
        )

    def _moments(self, first: date, zone: tzinfo) -> Iterator[float]:
        """Every time at which it may change: both ends of its windows, and where the clock is set."""
        for number in range(-1, _AHEAD):
            day = first + timedelta(days=number)
            for window in self.windows:
                if window.day == day.weekday():
                    for minute in (window.start, window.end):
                        local = datetime.combine(day, time(), zone) + timedelta(minutes=minute)
                        yield local.timestamp()
                        yield local.replace(fold=1).timestamp()
            jump = _clock_set(day, zone)
            if jump is not None:
                yield jump


def parse(text: str, zone: str = "UTC") -> Schedule:
    """Raises ScheduleInvalid."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleInvalid(f"{zone!r} is no time zone; write it like Europe/Berlin or UTC") from None
    windows = [window for part in text.lower().split(";") if part.strip() for window in _windows(part.strip())]
    if not windows:
        raise ScheduleInvalid('the schedule is empty; write it like "weekdays 8-19" or "sat,sun 10-14:30"')
    return Schedule(tuple(windows), zone)


def _windows(part: str) -> Iterator[Window]:
    days, space, times = part.partition(" ")
    while space and not times[:1].isdigit():  # `mon, wed 8-9`: blanks within the days
        more, space, times = times.strip().partition(" ")
        days += more
    if not times:
        raise ScheduleInvalid(f'{part!r}: write days, then times, like "weekdays 8-19"')
    spans = [_span(text.strip(), part) for text in times.split(",")]
    for day in sorted(_days(days, part)):
        for start, end in spans:
            yield Window(day, start, end)


def _days(text: str, part: str) -> set[int]:
    found = set[int]()
    for name in text.split(","):
        first, dash, last = name.partition("-")
        if name in _NAMES:
            found.update(_NAMES[name])
        elif first in DAYS and (not dash or last in DAYS):
            start, end = DAYS.index(first), DAYS.index(last or first)
            found.update((start + n) % 7 for n in range((end - start) % 7 + 1))
        else:
            raise ScheduleInvalid(f"{part!r}: {name!r} is no day; use daily, weekdays, weekends, mon … sun, mon-fri")
    return found


def _span(text: str, part: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(text)
    if match is None:
        raise ScheduleInvalid(f"{part!r}: {text!r} is no span of time; write it like 8-19 or 7:30-9")
    hours, minutes = (int(match[1]), int(match[3])), (int(match[2] or 0), int(match[4] or 0))
    start, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or start >= _DAY or end > _DAY:
        raise ScheduleInvalid(f"{part!r}: {text!r} goes beyond the day; times are 0:00 to 23:59, and 24 as an end")
    return start, end if end > start else end + _DAY


def _clock_set(day: date, zone: tzinfo) -> float | None:
    """When the clock is put forward or back on this day, to the second; None if it is not."""
    low = datetime.combine(day, time(), zone).timestamp()
    high = datetime.combine(day + timedelta(days=1), time(), zone).timestamp()
    before = _offset(low, zone)
    if before == _offset(high, zone):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


def _offset(at: float, zone: tzinfo) -> timedelta | None:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
