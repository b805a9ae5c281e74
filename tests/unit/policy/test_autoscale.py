from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hearth.policy.autoscale import Load, decide, ends

LOADS = st.builds(
    Load,
    waiting=st.integers(0, 50),
    running=st.integers(0, 50),
    ready=st.integers(0, 8),
    booting=st.integers(0, 8),
    slots=st.integers(1, 4),
    maximum=st.integers(1, 8),
    oldest=st.floats(0, 100),
    run=st.one_of(st.none(), st.floats(0, 100)),
    running_for=st.floats(0, 100),
    boot=st.one_of(st.none(), st.floats(0, 100)),
    blocked=st.one_of(st.just(0.0), st.floats(0.1, 60)),
    failures=st.integers(1, 5),
)


@given(LOADS)
def test_it_never_wants_more_than_the_limit_nor_fewer_than_there_are(load: Load) -> None:
    present = load.ready + load.booting
    decision = decide(load)
    assert decision.wanted >= present
    assert decision.wanted <= max(present, load.maximum)


@given(LOADS)
def test_it_always_says_why(load: Load) -> None:
    assert decide(load).because


@given(LOADS)
def test_it_asks_again_only_in_the_future(load: Load) -> None:
    again = decide(load).again
    assert again is None or again > 0


@given(LOADS)
def test_the_first_request_boots_one_at_once(load: Load) -> None:
    if load.ready == load.booting == 0 and load.waiting and not load.blocked:
        assert decide(load).wanted == 1


@given(LOADS)
def test_it_boots_nothing_for_nobody_nor_while_blocked(load: Load) -> None:
    if not load.waiting or load.blocked:
        assert decide(load).wanted == load.ready + load.booting


@given(LOADS)
def test_it_wants_no_more_slots_than_there_is_work(load: Load) -> None:
    decision = decide(load)
    if decision.wanted > load.ready + load.booting:
        assert (decision.wanted - 1) * load.slots < load.running + load.waiting


@given(LOADS, st.integers(1, 20))
def test_acting_on_a_decision_settles_it(load: Load, steps: int) -> None:
    """Booting what was wanted leads to a state that wants nothing further: it cannot run away."""
    wanted = decide(load).wanted
    booted = Load(
        waiting=load.waiting,
        running=load.running,
        ready=load.ready,
        booting=wanted - load.ready,
        slots=load.slots,
        maximum=load.maximum,
        oldest=load.oldest,
        run=load.run,
        running_for=load.running_for,
        boot=load.boot,
    )
    if wanted >= load.ready and not load.blocked and load.ready + load.booting:
        assert decide(booted).wanted == wanted


@given(LOADS, st.integers(1, 20))
def test_more_who_wait_never_want_fewer(load: Load, more: int) -> None:
    assert decide(replace(load, waiting=load.waiting + more)).wanted >= decide(load).wanted


@given(LOADS, st.floats(0, 100))
def test_a_run_that_goes_on_and_on_never_wants_fewer(load: Load, more: float) -> None:
    assert decide(replace(load, running_for=load.running_for + more)).wanted >= decide(load).wanted


@given(LOADS)
def test_whoever_waits_behind_a_run_without_end_is_helped_after_two_boots(load: Load) -> None:
    present = load.ready + load.booting
    stuck = replace(
        load,
        booting=0,
        running=load.ready * load.slots,
        running_for=max(2.01 * (load.boot or 0.01), 1.01 * (load.run or 0)),
    )
    if stuck.ready and stuck.waiting and not stuck.blocked and present < stuck.maximum:
        assert decide(stuck).wanted > stuck.ready


@given(LOADS)
def test_each_that_boots_has_more_to_run_than_its_boot_takes(load: Load) -> None:
    wanted = decide(load).wanted
    if load.ready and load.boot and wanted > load.ready + load.booting:
        run = max(load.run or 0.0, load.running_for)
        assert run >= 2 * load.boot or load.waiting * run >= wanted * load.slots * load.boot


def test_nothing_boots_for_a_line_that_is_too_short() -> None:
    load = Load(waiting=3, running=1, ready=1, booting=0, maximum=4, run=1.0, boot=8.0, oldest=2.0)
    decision = decide(load)
    assert (decision.wanted, decision.again) == (1, 4.0)
    assert decision.because == "its instance is busy, and the line is too short to boot another for it"
    assert decide(replace(load, run=60.0, oldest=0.0)).wanted == 4, "at once: it will not be worked off"
    assert decide(replace(load, waiting=24)).wanted == 2, "8 are served while it boots, 16 s of work are left for two"
    assert decide(replace(load, waiting=23)).wanted == 1
    assert decide(replace(load, waiting=1, running_for=16.1)).wanted == 2, "the run takes longer than any before"


def test_nothing_boots_beside_the_very_first_boot() -> None:
    decision = decide(Load(waiting=9, running=0, ready=0, booting=1, maximum=4, oldest=20.0))
    assert (decision.wanted, decision.because) == (1, "an instance is booting")
    timed = decide(Load(waiting=9, running=0, ready=0, booting=1, maximum=4, run=30.0, boot=10.0))
    assert timed.wanted == 4


def test_those_who_wait_are_counted_in_the_sentence() -> None:
    late = Load(waiting=2, running=1, ready=1, booting=0, maximum=4, oldest=41, run=60.0, boot=1.0)
    assert (decide(late).wanted, decide(late).because) == (3, "2 waiting, the oldest for 41 s")


def test_sentences() -> None:
    full = Load(waiting=1, running=1, ready=1, booting=0, maximum=1)
    assert decide(full).because == "its instance is busy (limit 1 for one version)"
    booting = Load(waiting=3, running=0, ready=0, booting=1, maximum=1)
    assert decide(booting).because == "an instance is booting"
    blocked = Load(waiting=1, running=0, ready=0, booting=0, blocked=4.2, failures=3)
    assert decide(blocked).because == "its setup failed 3 times in a row; the next try is in 5 s"


def test_idle_instances_end_unless_somebody_waits() -> None:
    assert ends(300, 300, 0)
    assert not ends(299.9, 300, 0)
    assert not ends(1000, 300, 1)


def test_the_minimum_is_kept_though_nobody_waits() -> None:
    decision = decide(Load(waiting=0, running=0, ready=1, booting=1, minimum=3, maximum=5))
    assert (decision.wanted, decision.because) == (3, "3 instances are kept running")
    assert decide(Load(waiting=0, running=0, ready=1, booting=2, minimum=3, maximum=5)).wanted == 3


def test_the_minimum_waits_after_a_failed_boot() -> None:
    decision = decide(Load(waiting=0, running=0, ready=0, booting=0, minimum=1, blocked=2.0, failures=2))
    assert (decision.wanted, decision.again) == (0, 2.0)


def test_trainings_do_not_wait_for_each_others_instance() -> None:
    decision = decide(Load(waiting=1, running=1, ready=1, booting=0, maximum=2, alone=True))
    assert decision.wanted == 2
