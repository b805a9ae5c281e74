from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hearth.simulation import Arrival, Facts, Trace, TraceInvalid, bursty, poisson, read, write, zipf


@pytest.mark.parametrize("make", [poisson, zipf, bursty])
def test_a_seed_makes_the_same_trace_and_a_file_keeps_it(make: Callable[..., Trace], tmp_path: Path) -> None:
    trace = make(arrivals=200, rate=2.0, models=5, seed=7)
    assert trace == make(arrivals=200, rate=2.0, models=5, seed=7)
    assert trace != make(arrivals=200, rate=2.0, models=5, seed=8)
    assert len(trace.arrivals) == 200
    assert [a.at for a in trace.arrivals] == sorted(a.at for a in trace.arrivals)
    write(tmp_path / "trace.jsonl", trace)
    assert read(tmp_path / "trace.jsonl") == trace


@pytest.mark.parametrize("make", [poisson, zipf])
def test_arrivals_come_at_the_rate(make: Callable[..., Trace]) -> None:
    trace = make(arrivals=5000, rate=4.0, models=3, seed=1)
    assert 5000 / trace.arrivals[-1].at == pytest.approx(4.0, rel=0.1)


def test_zipf_prefers_the_first() -> None:
    trace = zipf(arrivals=5000, rate=4.0, models=10, seed=1, exponent=1.0)
    first, second = (sum(1 for a in trace.arrivals if a.model == f"sim/model-{n}") for n in (1, 2))
    assert first / second == pytest.approx(2.0, rel=0.2)


def test_bursts_are_of_one_model() -> None:
    trace = bursty(arrivals=2000, rate=0.5, models=10, seed=1)
    pairs = list(zip(trace.arrivals, trace.arrivals[1:], strict=False))
    assert sum(1 for a, b in pairs if a.model == b.model) > len(pairs) * 0.7


def test_a_model_that_only_arrives_is_known_with_defaults(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"at": 2, "model": "a/b", "run": 1}\n\n{"at": 1, "model": "a/b", "run": 3}\n')
    assert read(tmp_path / "t.jsonl") == Trace(
        models=(Facts(model="a/b"),),
        arrivals=(Arrival(at=1, model="a/b", run=3), Arrival(at=2, model="a/b", run=1)),
    )


@pytest.mark.parametrize("line", ["{", '{"at": "x", "model": "m", "run": 1}', '{"model": "m", "size": 3}'])
def test_a_wrong_line_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"model": "m"}\n' + line + "\n")
    with pytest.raises(TraceInvalid, match=r"t\.jsonl:2: "):
        read(tmp_path / "t.jsonl")
