"""The traces in tests/traces, played: what the scheduler made of them when it was tuned, it makes of them still.

Numbers may get better; then they are written anew here: `hearth simulate tests/traces/NAME.jsonl --json` shows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hearth.simulation import Report, read, replay

TRACES = Path(__file__).parents[2] / "traces"
TOLERANCE = 0.1

PINNED: list[tuple[str, dict[str, Any], dict[str, float]]] = [
    ("crowd", {}, {"wait_p50": 0.09, "wait_p95": 12.0, "hit_rate": 0.54, "boots": 97, "instance_seconds": 2022}),
    (
        "crowd",
        {"memory": 16_000_000_000},
        {"wait_p50": 1.88, "wait_p95": 29.98, "hit_rate": 0.284, "boots": 121, "instance_seconds": 1300},
    ),
    ("bursts", {}, {"wait_p50": 6.17, "wait_p95": 55.12, "hit_rate": 0.465, "boots": 7, "instance_seconds": 683}),
    (
        "bursts",
        {"max_instances_per_version": 3},
        {"wait_p50": 5.3, "wait_p95": 43.1, "hit_rate": 0.385, "boots": 12, "instance_seconds": 1180},
    ),
    ("office", {}, {"wait_p50": 0.0, "wait_p95": 5.0, "hit_rate": 0.88, "boots": 18, "instance_seconds": 13578}),
    (
        "office",
        {"idle_timeout": 60.0},
        {"wait_p50": 0.0, "wait_p95": 30.0, "hit_rate": 0.507, "boots": 72, "instance_seconds": 6327},
    ),
]


@pytest.mark.parametrize(("name", "options", "pinned"), PINNED, ids=[f"{n} {o}" for n, o, _ in PINNED])
def test_no_worse_than_when_it_was_tuned(name: str, options: dict[str, Any], pinned: dict[str, float]) -> None:
    report = replay(read(TRACES / f"{name}.jsonl"), options)
    for field, number in pinned.items():
        assert getattr(report, field) == pytest.approx(number, rel=TOLERANCE, abs=0.02), field


def play(name: str, **options: Any) -> Report:
    return replay(read(TRACES / f"{name}.jsonl"), options)


def test_more_instances_of_a_version_help_in_bursts() -> None:
    one, three = play("bursts"), play("bursts", max_instances_per_version=3)
    assert three.wait_p95 < one.wait_p95
    assert three.wait_p50 < one.wait_p50


def test_a_longer_idle_timeout_boots_less_and_takes_more_memory() -> None:
    short, long = play("office", idle_timeout=60.0), play("office", idle_timeout=900.0)
    assert long.boots < short.boots
    assert long.memory_seconds > short.memory_seconds
