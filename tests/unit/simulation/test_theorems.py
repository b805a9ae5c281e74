"""What holds of the real engine for every arrival history, in virtual time and with the packing of a small machine."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth.simulation import Arrival, Facts, Trace, replay

models = st.sampled_from("abc")
arrivals = st.lists(
    st.builds(
        Arrival,
        at=st.integers(0, 400).map(float),
        model=models,
        run=st.integers(1, 400).map(lambda n: n / 10),
    ),
    min_size=1,
    max_size=25,
)
boots = st.integers(1, 40).map(lambda n: n / 2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrivals, boots, st.integers(1, 3), st.integers(1, 3), st.sampled_from([5.0, 60.0, 300.0]))
def test_each_boot_is_paid_for_by_an_arrival_and_everybody_is_served(
    history: list[Arrival], boot: float, instances: int, each: int, idle: float
) -> None:
    trace = Trace(
        models=tuple(Facts(model=model, boot=boot) for model in "abc"),
        arrivals=tuple(sorted(history, key=lambda a: a.at)),
    )
    report = replay(trace, {"max_instances": instances, "max_instances_per_version": each, "idle_timeout": idle})
    assert report.arrivals == len(history)
    assert report.boots <= len(history)
    assert report.evictions + report.takeovers + report.idle_ends <= report.boots
    assert report.instance_seconds <= instances * (report.lasted + 1e-6)
    if instances >= 3 and each == 1:
        assert report.evictions == report.takeovers == 0, "there is room for all"
        longest = {m: max((a.run for a in history if a.model == m), default=0.0) * len(history) for m in "abc"}
        assert report.wait_max <= boot + max(longest.values())
