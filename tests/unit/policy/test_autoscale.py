from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hearth.policy.autoscale import PATIENCE, Load, decide, ends

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
        boot=load.boot,
    )
    if wanted >= load.ready and not load.blocked and load.ready + load.booting:
        assert decide(booted).wanted == wanted


@given(LOADS, st.integers(1, 20))
def test_more_who_wait_never_want_fewer(load: Load, more: int) -> None:
    assert decide(replace(load, waiting=load.waiting + more)).wanted >= decide(load).wanted


@given(LOADS, st.floats(0, 100))
def test_a_longer_wait_never_wants_fewer(load: Load, more: float) -> None:
    assert decide(replace(load, oldest=load.oldest + more)).wanted >= decide(load).wanted


def test_nothing_boots_for_a_line_that_is_worked_off_sooner() -> None:
    load = Load(waiting=3, running=1, ready=1, booting=0, maximum=4, run=1.0, boot=8.0, oldest=2.0)
    decision = decide(load)
    assert (decision.wanted, decision.again) == (1, 6.0)
    assert decision.because == "its instance is busy, and free sooner than another would boot"
    assert decide(replace(load, run=60.0, oldest=0.0)).wanted == 4, "it will not be: at once, without patience"
    assert decide(replace(load, waiting=10)).wanted == 3, "8 of the 10 are served while it boots"
    assert decide(replace(load, oldest=8.0)).wanted == 4, "the expectation was wrong: a boot would be over by now"


def test_patience_before_a_second_one() -> None:
    load = Load(waiting=2, running=1, ready=1, booting=0, maximum=4, oldest=0.25)
    decision = decide(load)
    assert (decision.wanted, decision.again) == (1, PATIENCE - 0.25)
    late = Load(waiting=2, running=1, ready=1, booting=0, maximum=4, oldest=41)
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
    decision = decide(Load(waiting=1, running=1, ready=1, booting=0, maximum=2, patience=0.0))
    assert decision.wanted == 2
