"""Series as figures: what `static/plots.js` draws, and the words beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from hearth.domain.usage import day_of
from hearth.service.monitoring import Point, Series
from hearth.service.usage import Report, Sum
from hearth.web.render import money

_DAY = 86_400


class Line(NamedTuple):
    label: str
    values: Sequence[float | None]
    color: str = "ember"
    """A name of the design system."""


class Plot(NamedTuple):
    title: str
    now: str
    """One sentence on what it shows."""
    data: str
    """JSON."""


def plot(
    title: str, now: str, x: Sequence[float], lines: Sequence[Line], *, unit: str = "", days: bool = False
) -> Plot:
    """`days`: each value is a day's sum, drawn as a bar."""
    series = [{"label": line.label, "values": line.values, "color": line.color} for line in lines]
    data = {"x": x, "series": series, "unit": unit, "bars": days, "days": days}
    return Plot(title, now, msgspec.json.encode(data).decode())


def of_usage(report: Report) -> list[Plot]:
    """By day: how many, how long, and the cost where hardware has a price."""
    days = report.by_day()
    x = [float(day_of(day) * _DAY) for day, _ in days]
    total = report.total
    parts: list[tuple[str, str, str, Callable[[Sum], float]]] = [
        ("Runs by day", f"{total.runs} in all, {total.failed} failed", "count", lambda s: s.runs),
        ("Time by day", "", "s", lambda s: s.seconds),
    ]
    if total.cost:
        parts.append(("Cost by day", f"{money(total.cost)} in all", "cost", lambda s: s.cost))
    return [
        plot(title, now, x, [Line(title.removesuffix(" by day"), [of(s) for _, s in days])], unit=unit, days=True)
        for title, now, unit, of in parts
    ]


def of_series(series: Series, seconds: Callable[[float | None], str], size: Callable[[float], str]) -> list[Plot]:
    """Durations, throughput, failures, instances, line and memory of a deployment or the server."""
    points, whole, minutes = series.points, series.whole, series.step / 60
    x = [point.at for point in points]

    def line(label: str, of: Callable[[Point], float | None], color: str = "ember") -> Line:
        return Line(label, [of(point) for point in points], color)

    failed = f"{whole.failed / whole.ended:.1%} of {whole.ended}" if whole.ended else "nothing ended"
    return [
        plot(
            "Latency",
            f"run p50 {seconds(whole.run_p50)}, p95 {seconds(whole.run_p95)}",
            x,
            [
                line("Run p50", lambda p: p.run_p50, "ok"),
                line("Run p95", lambda p: p.run_p95),
                line("With waiting p95", lambda p: p.total_p95, "info"),
            ],
            unit="s",
        ),
        plot("Throughput", f"{whole.ended} ended", x, [line("Ended a minute", lambda p: p.ended / minutes)]),
        plot(
            "Errors",
            failed,
            x,
            [line("Failed", lambda p: 100 * p.failed / p.ended if p.ended else None, "bad")],
            unit="percent",
        ),
        plot(
            "Instances",
            f"at most {max((p.starting + p.idle + p.processing for p in points), default=0)}",
            x,
            [
                line("Processing", lambda p: p.processing),
                line("Idle", lambda p: p.idle, "ok"),
                line("Starting", lambda p: p.starting, "info"),
            ],
        ),
        plot("Queue", f"at most {whole.waiting} waited", x, [line("Waiting", lambda p: p.waiting, "warn")]),
        plot(
            "Memory",
            f"at most {size(whole.memory)}",
            x,
            [line("All instances", lambda p: p.memory), line("Largest", lambda p: p.largest, "info")],
            unit="bytes",
        ),
    ]
