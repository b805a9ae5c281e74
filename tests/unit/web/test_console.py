"""Timelines, plots and the documentation: records in, what pages show out."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import msgspec

from hearth.domain.breakdown import Breakdown
from hearth.domain.events import Event, Kind
from hearth.domain.overview import MemoryView, Overview, ZygoteView
from hearth.domain.prediction import PredictionKind
from hearth.domain.sample import Sample
from hearth.domain.usage import Used, day_of
from hearth.service.monitoring import series
from hearth.service.usage import Line, Report
from hearth.web import docs, plots
from hearth.web.dashboard import moments
from hearth.web.render import Renderer, money, seconds, sentence, size


def test_what_follows_each_other_becomes_one_line():
    events = [
        Event(0, Kind.QUEUED, 100.0, {}),
        Event(1, Kind.STARTED, 101.0, {"instance": "01m7wzgfad6w2f86m69jtn9ts9"}),
        Event(2, Kind.LOG, 101.5, "one\ntwo\n"),
        Event(3, Kind.OUTPUT, 102.0, "a"),
        Event(4, Kind.OUTPUT, 103.5, "b"),
        Event(5, Kind.METRIC, 103.6, {"name": "n", "value": 1, "mode": "replace"}),
        Event(6, Kind.FAILED, 104.0, {"error": "boom"}),
    ]
    found = [(moment.after, moment.title, moment.text) for moment in moments(events, 100.0)]
    assert found == [
        (0.0, "Created", ""),
        (1.0, "The run began", "Instance tn9ts9"),
        (1.5, "2 outputs, 2 lines of log, 1 metric", "within 2.10 s"),
        (4.0, "Failed", "boom"),
    ]


def test_a_long_timeline_keeps_both_ends():
    events = [Event(n, Kind.RETURNED if n % 2 else Kind.STARTED, float(n), {}) for n in range(1000)]
    found = moments(events, 0.0)
    assert len(found) == 200
    assert (found[0].at, found[-1].at) == (0.0, 999.0)


def test_usage_becomes_bars_by_day_and_cost_where_there_is_a_price():
    first, last = date(2026, 1, 1), date(2026, 1, 3)
    used = Used(
        day=day_of(last), kind=PredictionKind.PREDICTION, model="a/b", hardware="cpu", count=4, failed=1, seconds=2.5
    )
    free, priced = (Report(first, last, [Line(used, cost)]) for cost in (0.0, 0.25))
    assert [plot.title for plot in plots.of_usage(free)] == ["Runs by day", "Time by day"]
    runs, _, cost = plots.of_usage(priced)
    assert (runs.now, cost.now) == ("4 in all, 1 failed", "0.2500 in all")
    data = msgspec.json.decode(runs.data)
    assert (data["bars"], data["series"][0]["values"]) == (True, [0, 0, 4])
    assert data["x"] == [day_of(first) * 86_400.0 + n * 86_400.0 for n in range(3)]


def test_a_series_becomes_six_plots():
    found = series([Sample(at=0.0, succeeded=6, failed=2, idle=1, waiting=3, memory=5_000_000)], 0.0, 600.0, 300.0)
    drawn = {plot.title: plot for plot in plots.of_series(found, seconds, size)}
    assert list(drawn) == ["Latency", "Throughput", "Errors", "Instances", "Queue", "Memory"]
    assert (drawn["Errors"].now, drawn["Queue"].now) == ("25.0% of 8", "at most 3 waited")
    assert msgspec.json.decode(drawn["Throughput"].data)["series"][0]["values"] == [1.6, 0.0]
    assert msgspec.json.decode(drawn["Errors"].data)["series"][0]["values"] == [25.0, None]


def test_words_for_amounts_and_reasons():
    assert [money(v) for v in (0, 0.00000015, 0.3032, 12.5, 12345.678)] == [
        "0.00",
        "< 0.0001",
        "0.3032",
        "12.50",
        "12,345.68",
    ]
    assert (sentence("it waits"), sentence("")) == ("It waits", "")


def test_the_documentation_is_whole():
    known = docs.pages()
    assert {"quickstart", "web", "http", "cli"} <= known.keys()
    for page in known.values():
        assert page.title, page.name
        assert "<script" not in page.html
        assert "<!--" not in page.text
    linked = [entry.name for _, entries in docs.navigation() for entry in entries]
    assert sorted(linked) == sorted(known)
    assert 'href="/docs/operate#settings"' in known["web"].html
    assert 'id="settings"' in known["operate"].html


def test_what_the_scheduler_knows_is_shown():
    request = SimpleNamespace(
        csrf="token", account=None, path="/instances", query={}, services=SimpleNamespace(now=lambda: 1000.0)
    )
    broken = Breakdown(
        lane="k", version_id="b" * 64, model="ada/broken", because="setup said <b>no</b>", failures=5, at=940.0
    )
    zygote = ZygoteView(id="z", environment="e" * 64, pid=1, memory=7_000_000, forks=3, idle=61.0)
    memory = MemoryView(budget=8_000_000_000, reserved=2_000_000_000, used=1, zygotes=0)
    overview = Overview(at=1000.0, paused="New GPU", lanes=(), memory=memory, zygotes=(zygote,), broken=(broken,))
    html = (
        Renderer()
        .render(
            "parts/instances.html",
            request,
            overview=overview,
            decisions=[],
            instances=[],
            memory=0,
            badges={},
            actions={},
        )
        .decode()
    )
    assert "New GPU" in html
    assert "2.0 GB reserved of 8.0 GB" in html
    assert "Setup said &lt;b&gt;no&lt;/b&gt;" in html
    assert f'name="version" value="{"b" * 64}"' in html
    assert "1 min 1 s" in html
