from __future__ import annotations

from typing import Any

import pytest

from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Place, Prediction, Step, transition
from hearth.engine.live import Live, measure


def new() -> Prediction:
    return Prediction(id="p", account_id="a", model="ada/m", version="v", input={}, created_at=1.0, events=1)


def test_a_new_one_has_been_queued() -> None:
    live = Live(new())
    assert list(live.events) == [Event(0, Kind.QUEUED, 1.0, {})]
    assert live.written == 1
    assert live.snapshot().output is None


def test_events_add_up_and_an_older_snapshot_does_not_change() -> None:
    live = Live(new())
    live.become(transition(transition(live.prediction, Step.ASSIGN, 2), Step.START, 3))
    live.fold(Event(1, Kind.OUTPUT, 3, "a"))
    first = live.snapshot()
    assert live.snapshot() is first
    live.fold(Event(2, Kind.OUTPUT, 3, "b"))
    live.fold(Event(3, Kind.LOG, 3, "one\n"))
    live.fold(Event(4, Kind.LOG, 3, "two"))
    live.fold(Event(5, Kind.METRIC, 3, {"name": "n", "value": 1, "mode": "replace"}))
    second = live.snapshot()
    assert (first.output, first.logs, first.metrics, first.events) == (["a"], "", {}, 2)
    assert (second.output, second.logs, second.metrics, second.events) == (["a", "b"], "one\ntwo", {"n": 1}, 6)
    live.fold(Event(6, Kind.LOG, 3, "!"))
    assert (live.snapshot().logs, second.logs) == ("one\ntwo!", "one\ntwo")


def test_stored_events_rebuild_it() -> None:
    stored = [Event(0, Kind.QUEUED, 1, {}), Event(1, Kind.LOG, 2, "x"), Event(2, Kind.OUTPUT, 3, 1)]
    live = Live(new(), stored)
    assert (live.written, live.items, live.logs) == (3, [1], "x")


def test_metrics_of_a_run_that_came_back_are_forgotten() -> None:
    live = Live(new())
    live.fold(Event(1, Kind.METRIC, 2, {"name": "n", "value": 1, "mode": "incr"}))
    live.fold(Event(2, Kind.RETURNED, 2, {"because": "lost"}))
    assert live.metrics == {}


def test_the_reason_is_made_when_somebody_asks() -> None:
    asked: list[int] = []
    live = Live(new())

    def explain() -> Place:
        asked.append(1)
        return Place(ahead=len(asked), starts_at=None, because=f"asked {len(asked)}")

    live.explain = explain
    assert asked == []
    assert live.snapshot().reason == "asked 1"
    assert live.snapshot().place == Place(ahead=2, starts_at=None, because="asked 2")


def test_a_finished_one_is_shown_as_recorded() -> None:
    live = Live(new())
    final = transition(live.prediction, Step.CANCEL, 2)
    live.become(final)
    assert live.snapshot() is final
    assert final.phase is Phase.CANCELED


@pytest.mark.parametrize(
    ("steps", "result"),
    [
        ([("a", 1, "replace"), ("a", 2, "replace")], {"a": 2}),
        ([("a", 1, "incr"), ("a", 2, "incr")], {"a": 3}),
        ([("a", 1, "append"), ("a", 2, "append")], {"a": [1, 2]}),
        ([("a.b", 1, "replace"), ("a.c", 2, "incr")], {"a": {"b": 1, "c": 2}}),
        ([("a", 1, "replace"), ("a.b", 2, "replace")], {"a": {"b": 2}}),
    ],
)
def test_custom_metrics(steps: list[tuple[str, Any, str]], result: dict[str, Any]) -> None:
    metrics: dict[str, Any] = {}
    for name, value, mode in steps:
        measure(metrics, name, value, mode)
    assert metrics == result
