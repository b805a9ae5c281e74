"""The engine in virtual time: what is known exactly of small traces, and that nothing depends on chance."""

from __future__ import annotations

import pytest

from hearth.simulation import Arrival, Facts, Trace, bursty, replay, zipf


def trace(*arrivals: tuple[float, str, float], boot: float = 4.0, **facts: int) -> Trace:
    models = dict.fromkeys(model for _, model, _ in arrivals)
    return Trace(
        models=tuple(Facts(model=model, boot=boot, **facts) for model in models),
        arrivals=tuple(Arrival(at=at, model=model, run=run) for at, model, run in arrivals),
    )


def test_the_first_waits_for_its_boot_and_the_next_does_not() -> None:
    report = replay(trace((0, "m", 1.0), (20, "m", 1.0)))
    assert (report.wait_max, report.wait_p50) == (pytest.approx(4.0), pytest.approx(0.0))
    assert (report.boots, report.hit_rate) == (1, 0.5)
    assert report.lasted == pytest.approx(21.0)
    assert report.instance_seconds == pytest.approx(21.0)
    assert report.busy == pytest.approx(2 / 21)


def test_an_idle_timeout_ends_instances() -> None:
    arrivals = trace((0, "m", 1.0), (100, "m", 1.0), memory=10)
    short, long = (replay(arrivals, {"idle_timeout": timeout}) for timeout in (30.0, 300.0))
    assert (short.boots, short.idle_ends, short.wait_p50) == (2, 1, pytest.approx(4.0))
    assert (long.boots, long.idle_ends, long.wait_p50) == (1, 0, pytest.approx(0.0))
    assert short.memory_seconds == pytest.approx((4 + 1 + 30 + 4 + 1) * 10)


def test_another_model_gets_the_room_of_an_idle_one() -> None:
    arrivals = trace((0, "one", 1.0), (20, "two", 1.0))
    assert replay(arrivals, {"max_instances": 1}).evictions == 1
    assert replay(arrivals, {"max_instances": 2}).evictions == 0


def test_memory_is_room() -> None:
    arrivals = trace((0, "one", 1.0), (20, "two", 1.0), memory=6_000_000_000)
    assert replay(arrivals, {"memory": 10_000_000_000}).evictions == 1
    assert replay(arrivals, {"memory": 12_000_000_000}).evictions == 0


def test_slots_are_used() -> None:
    arrivals = trace(*[(0.0, "m", 10.0)] * 4, slots=4)
    assert replay(arrivals).wait_max == pytest.approx(4.0)


def test_nothing_depends_on_chance() -> None:
    for made in (zipf(arrivals=300, rate=3.0, models=12, seed=3), bursty(arrivals=300, rate=1.0, models=6, seed=3)):
        options = {"max_instances": 4, "max_instances_per_version": 2}
        assert replay(made, options) == replay(made, options)


def test_nobody_came() -> None:
    report = replay(Trace(models=(), arrivals=()))
    assert (report.arrivals, report.boots, report.wait_max) == (0, 0, 0.0)


def test_what_rounding_leaves_of_a_wait_does_not_stop_time() -> None:
    """Times that no float holds exactly: an instance is idle for its timeout but for the last bit."""
    report = replay(trace(*[(n * 61.7, f"m{n % 3}", 0.1) for n in range(30)]), {"idle_timeout": 30.3})
    assert report.idle_ends >= 27
