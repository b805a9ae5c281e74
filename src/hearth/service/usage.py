"""What an account used, by day, model and hardware, and what that costs at today's prices."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.hardware import Hardware
from hearth.domain.usage import Used, date_of, day_of
from hearth.errors import InvalidRequest, Pointer
from hearth.store.base import Store

DAYS = 30
"""How many are reported when nobody says, today included."""
MOST_DAYS = 366
COLUMNS = ("date", "kind", "model", "deployment", "hardware", "count", "failed", "seconds", "cost")


class Sum(NamedTuple):
    runs: int = 0
    failed: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def plus(self, other: Sum) -> Sum:
        return Sum(
            self.runs + other.runs, self.failed + other.failed, self.seconds + other.seconds, self.cost + other.cost
        )


class Line(NamedTuple):
    used: Used
    cost: float
    """In the currency of the hardware's prices."""

    @property
    def sum(self) -> Sum:
        return Sum(self.used.count, self.used.failed, self.used.seconds, self.cost)


class Report(NamedTuple):
    first: date
    last: date
    lines: Sequence[Line]
    """The latest day first."""

    @property
    def total(self) -> Sum:
        return _added(line.sum for line in self.lines)

    def by(self, name: Callable[[Used], str]) -> list[tuple[str, Sum]]:
        """Sums by a name, the most seconds first."""
        sums: dict[str, Sum] = {}
        for line in self.lines:
            sums[name(line.used)] = sums.get(name(line.used), Sum()).plus(line.sum)
        return sorted(sums.items(), key=lambda entry: (-entry[1].seconds, entry[0]))

    def by_day(self) -> list[tuple[date, Sum]]:
        """Every day, those without use as well; the earliest first."""
        sums = {day: Sum() for day in range(day_of(self.first), day_of(self.last) + 1)}
        for line in self.lines:
            sums[line.used.day] = sums[line.used.day].plus(line.sum)
        return [(date_of(day), total) for day, total in sums.items()]


class Usage:
    def __init__(self, *, store: Store, clock: Clock, hardware: Sequence[Hardware]) -> None:
        self._store, self._clock = store, clock
        self._prices = {known.sku: known.price for known in hardware}

    async def report(self, caller: Account, first: date | None = None, last: date | None = None) -> Report:
        """From one day to another, both included; by default the last 30. Raises InvalidRequest."""
        today = datetime.fromtimestamp(self._clock.now(), UTC).date()
        last = last or today
        first = first or last - timedelta(days=DAYS - 1)
        if not 0 <= (last - first).days < MOST_DAYS:
            detail = f"from: must be a day before `to`, at most {MOST_DAYS} days"
            raise InvalidRequest(errors=(Pointer("/from", detail),))
        found = await self._store.usage.of_account(caller.id, day_of(first), day_of(last))
        return Report(first, last, [Line(used, used.seconds * self._prices.get(used.hardware, 0.0)) for used in found])


def as_csv(report: Report) -> str:
    """A table with a head, as RFC 4180 has it."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for used, cost in report.lines:
        what = (date_of(used.day).isoformat(), used.kind.value, used.model, used.deployment or "", used.hardware)
        table.writerow((*what, used.count, used.failed, f"{used.seconds:.3f}", f"{cost:.6f}"))
    return out.getvalue()


def day(text: str | None, field: str) -> date | None:
    """A day as people write it in an address: `2026-01-31`. Raises InvalidRequest."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        detail = f"{field}: must be a day such as 2026-01-31"
        raise InvalidRequest(errors=(Pointer(f"/{field}", detail),)) from None


def _added(sums: Iterable[Sum]) -> Sum:
    total = Sum()
    for one in sums:
        total = total.plus(one)
    return total
