from __future__ import annotations

from itertools import product

import pytest

from hearth.domain.prediction import TRANSITIONS, Phase, Prediction, Step, transition
from hearth.errors import IllegalTransition


def at(phase: Phase, attempt: int = 0) -> Prediction:
    return Prediction(
        id="p",
        account_id="a",
        model="ada/m",
        version="v",
        input={},
        created_at=0,
        phase=phase,
        attempt=attempt,
        started_at=1.0 if phase is Phase.RUNNING else None,
    )


@pytest.mark.parametrize(("phase", "step"), list(product(Phase, Step)))
def test_every_phase_and_step(phase: Phase, step: Step) -> None:
    before = at(phase)
    target = TRANSITIONS.get((phase, step))
    if target is None:
        with pytest.raises(IllegalTransition, match=f"cannot {step} while {phase}"):
            transition(before, step, 5.0)
        return
    after = transition(before, step, 5.0, "because")
    assert (after.phase, after.reason) == (target, "because")
    assert (after.completed_at == 5.0) is target.terminal
    assert before == at(phase)


def test_terminal_phases_cannot_be_left() -> None:
    assert not any(phase.terminal for phase, _ in TRANSITIONS)


def test_every_open_phase_can_fail_and_be_canceled() -> None:
    for phase in Phase:
        if not phase.terminal:
            assert (phase, Step.FAIL) in TRANSITIONS
            assert (phase, Step.CANCEL) in TRANSITIONS


def test_only_what_has_not_started_aborts_and_only_what_runs_succeeds() -> None:
    aborts = {phase for phase, step in TRANSITIONS if step is Step.ABORT}
    assert aborts == {Phase.QUEUED, Phase.BOOTING, Phase.ASSIGNED}
    assert {phase for phase, step in TRANSITIONS if step is Step.SUCCEED} == {Phase.RUNNING}


def test_a_start_counts_and_a_return_takes_the_start_time_back() -> None:
    running = transition(at(Phase.ASSIGNED, attempt=1), Step.START, 7.0)
    assert (running.started_at, running.attempt) == (7.0, 2)
    returned = transition(running, Step.RETURN, 8.0)
    assert (returned.started_at, returned.attempt, returned.completed_at) == (None, 2, None)
