from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hearth.domain.deployment import Deployment, Release, ReleaseState

OLD, NEW = "a" * 64, "b" * 64


def release(**fields: Any) -> Release:
    defaults: dict[str, Any] = {
        "number": 1,
        "model": "ada/m",
        "version": OLD,
        "hardware": "cpu",
        "min_instances": 0,
        "max_instances": 2,
        "created_at": 1.0,
        "created_by": "ada",
    }
    return Release(**{**defaults, **fields})


def deployment(**fields: Any) -> Deployment:
    first = release(**fields)
    made = Deployment(id="d", account_id="a", owner="ada", name="app", created_at=1.0, current=first)
    return made.with_release(first)


def changed(before: Deployment, **fields: Any) -> Deployment:
    after = before.changed(fields, at=2.0, by="ada")
    assert after is not None
    return after


def judged(before: Deployment, state: ReleaseState) -> Deployment:
    """As the store has it after the engine's verdict."""
    current = replace(before.current, state=state)
    return replace(before, current=current, serving=current if state is ReleaseState.LIVE else before.serving)


def test_one_that_may_sleep_serves_from_the_start() -> None:
    made = deployment()
    assert (made.current.state, made.serving) == (ReleaseState.LIVE, made.current)


def test_one_that_is_kept_running_serves_when_it_is_ready_and_is_tried_until_then() -> None:
    made = deployment(min_instances=1)
    assert (made.current.state, made.serving, made.route) == (ReleaseState.ROLLING, None, made.current)


def test_other_code_must_prove_itself_and_other_bounds_need_not() -> None:
    rolling = changed(deployment(), version=NEW)
    assert (rolling.current.number, rolling.current.state, rolling.route.version) == (2, ReleaseState.ROLLING, OLD)
    bounds = changed(deployment(), max_instances=5)
    assert (bounds.current.number, bounds.current.state, bounds.serving) == (2, ReleaseState.LIVE, bounds.current)
    assert bounds.lane(bounds.current).key == deployment().lane(deployment().current).key


def test_a_change_on_the_way_stays_on_the_way_and_one_back_serves_at_once() -> None:
    rolling = changed(deployment(), version=NEW)
    more = changed(rolling, max_instances=3)
    assert (more.current.number, more.current.state, more.route.version) == (3, ReleaseState.ROLLING, OLD)
    back = changed(more, version=OLD)
    assert (back.current.number, back.current.state, back.serving) == (4, ReleaseState.LIVE, back.current)


def test_nothing_changes_nothing_but_a_failed_version_can_be_named_again() -> None:
    made = deployment()
    for fields in ({}, {"version": OLD}, {"min_instances": 0, "max_instances": 2, "hardware": "cpu"}):
        assert made.changed(fields, at=2.0, by="ada") is None
    failed = judged(changed(made, version=NEW), ReleaseState.FAILED)
    assert failed.changed({}, at=3.0, by="ada") is None
    again = changed(failed, version=NEW)
    assert (again.current.number, again.current.state) == (3, ReleaseState.ROLLING)


def test_disabling_and_enabling() -> None:
    off = changed(deployment(), max_instances=0)
    assert (off.current.state, off.route, off.lane(off.route).maximum) == (ReleaseState.DISABLED, off.current, 0)
    on = changed(off, max_instances=1, version=NEW)
    assert (on.current.state, on.route) == (ReleaseState.LIVE, on.current), "nothing served that could be disturbed"
    kept = changed(off, min_instances=1, max_instances=1)
    assert (kept.current.state, kept.serving) == (ReleaseState.ROLLING, None)


def test_a_late_prediction_finds_the_lane_of_its_version() -> None:
    rolled = judged(changed(deployment(), version=NEW), ReleaseState.LIVE)
    former = deployment()
    assert rolled.lane_for(OLD).key == former.lane(former.current).key
    assert rolled.lane_for(NEW) == rolled.lane(rolled.current)
    off = changed(rolled, max_instances=0)
    assert off.lane_for(OLD).maximum == 0


@given(
    st.lists(
        st.tuples(
            st.fixed_dictionaries(
                {},
                optional={
                    "version": st.sampled_from([OLD, NEW]),
                    "min_instances": st.integers(0, 2),
                    "max_instances": st.sampled_from([0, 2, 5]),
                },
            ),
            st.sampled_from([ReleaseState.LIVE, ReleaseState.FAILED, None]),
        ),
        max_size=12,
    )
)
def test_what_failed_or_is_unproven_never_serves_while_something_good_does(steps: list[Any]) -> None:
    now = deployment()
    good = {now.current.version}
    for fields, verdict in steps:
        least = fields.get("min_instances", now.current.min_instances)
        if least > fields.get("max_instances", now.current.max_instances):
            continue
        before, now = now, now.changed(fields, at=2.0, by="ada") or now
        assert now.current.number in (before.current.number, before.current.number + 1)
        if now.current.state is ReleaseState.ROLLING and verdict is not None:
            now = judged(now, verdict)
        if now.current.state is ReleaseState.LIVE:
            good.add(now.current.version)
        if now.serving is not None and now.serving.max_instances:
            assert now.serving.state is ReleaseState.LIVE
            assert now.serving.version in good
