"""When a lane rests, and when it is given up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hearth.policy.backoff import BOOT, DEATH
from hearth.policy.faults import LIMIT, NONE, Faults

STEPS = st.lists(st.sampled_from(["setup", "ready", "worked", "idle", "through"]))


def play(steps: list[str]) -> Faults:
    faults = NONE
    for step in steps:
        match step:
            case "setup":
                faults = faults.setup_failed()
            case "ready":
                faults = faults.ready()
            case "through":
                faults = NONE
            case how:
                faults = faults.died(working=how == "worked")
    return faults


def test_a_setup_that_never_works_is_given_up() -> None:
    assert [play(["setup"] * n).broken for n in range(LIMIT + 1)] == [False] * LIMIT + [True]


def test_an_instance_that_dies_idle_each_time_is_given_up_though_its_setup_works() -> None:
    assert not play(["ready", "idle"] * (LIMIT - 1)).broken
    assert play(["ready", "idle"] * LIMIT).broken


@given(st.integers(0, 100))
def test_predictions_that_kill_their_instances_cannot_take_a_version_from_others(count: int) -> None:
    faults = play(["ready", "worked"] * count)
    assert not faults.broken
    assert faults.pause <= DEATH[-1]


def test_pauses_grow_with_what_fails_in_a_row() -> None:
    assert [play(["ready", "worked"] * n).pause for n in range(1, 6)] == list(DEATH)
    assert [play(["ready", "idle"] * n).pause for n in range(1, 7)] == list(BOOT)
    assert [play(["setup"] * n).pause for n in range(1, 7)] == list(BOOT)
    assert NONE.pause == 0


@given(STEPS)
def test_one_run_that_goes_well_clears_everything(steps: list[str]) -> None:
    assert play([*steps, "through"]) == NONE


@given(STEPS)
def test_a_setup_that_works_clears_failed_setups_only(steps: list[str]) -> None:
    before, after = play(steps), play([*steps, "ready"])
    assert after.setups == 0
    assert (after.deaths, after.idle) == (before.deaths, before.idle)
