"""Counts of tokens: what is added to them, what is left alone, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.domain.events import Event, Kind
from hearth.engine.metrics import Metrics
from hearth.engine.tokens import complete, observe

STREAMED = [Event(0, Kind.QUEUED, 9.0, {}), Event(1, Kind.STARTED, 10.0, {}), Event(2, Kind.OUTPUT, 10.5, "a")]


@pytest.mark.parametrize(
    ("events", "count", "first", "speed"),
    [
        (STREAMED, 11, 0.5, 5.0),
        (STREAMED, 1, 0.5, 0.4),
        (STREAMED, 0, 0.5, 0.0),
        (STREAMED[:2], 11, None, 4.4),
        ([Event(0, Kind.OUTPUT, 8.0, "of an earlier run"), *STREAMED], 11, 0.5, 5.0),
    ],
)
def test_the_time_of_the_first_and_the_speed_of_the_others(
    events: list[Event], count: int, first: float | None, speed: float
) -> None:
    metrics: dict[str, Any] = {"output_token_count": count}
    complete(metrics, events, 10.0, 12.5)
    assert metrics.get("time_to_first_token") == first
    assert metrics["tokens_per_second"] == pytest.approx(speed)


def test_what_the_model_says_stands() -> None:
    said = {"output_token_count": 5, "time_to_first_token": 0.1, "tokens_per_second": 99.0}
    metrics = dict(said)
    complete(metrics, STREAMED, 10.0, 12.5)
    assert metrics == said


@pytest.mark.parametrize("count", [None, "5", True, -1, float("nan"), float("inf"), [1]])
def test_what_is_no_count_adds_nothing(count: Any) -> None:
    metrics = {"output_token_count": count}
    complete(metrics, STREAMED, 10.0, 12.5)
    assert list(metrics) == ["output_token_count"]


def test_a_run_without_time_has_no_speed() -> None:
    metrics: dict[str, Any] = {"output_token_count": 3}
    complete(metrics, STREAMED[:2], 10.0, 10.0)
    assert list(metrics) == ["output_token_count"]


json = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


NAMES = ("input_token_count", "output_token_count", "time_to_first_token", "tokens_per_second")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, json)))
def test_whatever_models_report_can_be_observed(measured: dict[str, Any]) -> None:
    observe(Metrics(), measured)


def test_what_was_counted_adds_up() -> None:
    metrics = Metrics()
    for _ in range(2):
        observe(metrics, {"input_token_count": 3, "output_token_count": 4, "time_to_first_token": 0.2})
    found = metrics.registry.get_sample_value
    assert (found("hearth_input_tokens_total"), found("hearth_output_tokens_total")) == (6, 8)
    assert found("hearth_time_to_first_token_seconds_count") == 2
    assert found("hearth_tokens_per_second_count") == 0
