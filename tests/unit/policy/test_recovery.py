from __future__ import annotations

from itertools import product

import pytest

from hearth.domain.prediction import TRANSITIONS, Phase, Prediction, Step
from hearth.policy.backoff import BOOT, STORE, boot_delay, store_delay
from hearth.policy.recovery import (
    ATTEMPTS,
    RETURNS,
    STOPPED_AFTER_OUTPUT,
    STOPPED_TWICE,
    after_error,
    after_loss,
    after_stop,
    recover,
    unfit,
)

OPEN = [phase for phase in Phase if not phase.terminal]


def cut_off(phase: Phase, **fields: float) -> Prediction:
    return Prediction(id="p", account_id="a", model="ada/m", version="v", input={}, created_at=0, phase=phase, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phase", "delivered", "attempt", "cancel", "deadline"),
    list(product(OPEN, [False, True], [0, 1, 2], [None, 5.0], [None, 5.0, 500.0])),
)
def test_every_verdict_is_a_step_that_exists(
    phase: Phase, delivered: bool, attempt: int, cancel: float | None, deadline: float | None
) -> None:
    prediction = cut_off(phase, attempt=attempt, cancel_requested_at=cancel, deadline=deadline)  # type: ignore[arg-type]
    verdict = recover(prediction, delivered=delivered, now=100)
    assert verdict.because
    if verdict.step is None:
        assert phase is Phase.QUEUED
    else:
        assert (phase, verdict.step) in TRANSITIONS
    if delivered and phase is Phase.RUNNING:
        assert verdict.step is not Step.RETURN, "it would deliver twice"


@pytest.mark.parametrize("phase", OPEN)
def test_a_cancel_is_kept(phase: Phase) -> None:
    assert recover(cut_off(phase, cancel_requested_at=1), delivered=False, now=100).step is Step.CANCEL


@pytest.mark.parametrize(
    ("phase", "step"),
    [
        (Phase.QUEUED, Step.ABORT),
        (Phase.BOOTING, Step.ABORT),
        (Phase.ASSIGNED, Step.ABORT),
        (Phase.RUNNING, Step.CANCEL),
    ],
)
def test_a_deadline_is_kept(phase: Phase, step: Step) -> None:
    assert recover(cut_off(phase, deadline=99), delivered=False, now=100).step is step
    assert recover(cut_off(phase, deadline=101), delivered=False, now=100).step is not step


def test_running_ones_run_once_more_if_they_delivered_nothing() -> None:
    assert recover(cut_off(Phase.RUNNING, attempt=1), delivered=False, now=0).step is Step.RETURN
    twice = recover(cut_off(Phase.RUNNING, attempt=ATTEMPTS), delivered=False, now=0)
    assert (twice.step, twice.because) == (Step.FAIL, STOPPED_TWICE)
    shown = recover(cut_off(Phase.RUNNING, attempt=1), delivered=True, now=0)
    assert (shown.step, shown.because) == (Step.FAIL, STOPPED_AFTER_OUTPUT)


@pytest.mark.parametrize(
    ("started", "delivered", "attempt", "returns", "step"),
    [
        (False, False, 0, 0, Step.RETURN),
        (False, False, 1, RETURNS - 1, Step.RETURN),
        (False, False, 0, RETURNS, Step.FAIL),
        (True, False, 1, 0, Step.RETURN),
        (True, False, 2, 0, Step.FAIL),
        (True, True, 1, 0, Step.FAIL),
    ],
)
def test_after_the_loss_of_an_instance(started: bool, delivered: bool, attempt: int, returns: int, step: Step) -> None:
    verdict = after_loss(started=started, delivered=delivered, attempt=attempt, returns=returns, reason="out of memory")
    assert verdict.step is step
    assert "out of memory" in verdict.because


def test_after_a_stop_only_what_was_shown_fails() -> None:
    assert after_stop(started=False, delivered=False).step is Step.RETURN
    assert after_stop(started=True, delivered=False).step is Step.RETURN
    assert after_stop(started=True, delivered=True).step is Step.FAIL


def test_delays_grow_and_then_stay() -> None:
    assert [boot_delay(n) for n in range(1, len(BOOT) + 3)] == [*BOOT, BOOT[-1], BOOT[-1]]
    assert [store_delay(n) for n in range(1, len(STORE) + 2)] == [*STORE, STORE[-1]]
    assert list(BOOT) == sorted(BOOT)


@pytest.mark.parametrize(
    "error",
    [
        "OSError: [Errno 28] No space left on device: '/tmp/x'",
        "OSError: [Errno 122] Disk quota exceeded",
        "OSError: [Errno 24] Too many open files",
        "RuntimeError: can't start new thread",
        "CUDA error: uncorrectable ECC error encountered",
    ],
)
def test_an_error_of_the_machine_runs_once_more_elsewhere(error: str) -> None:
    verdict = after_error(error, delivered=False, attempt=1)
    assert verdict is not None
    assert verdict.step is Step.RETURN
    assert error.splitlines()[0][:40] in verdict.because
    assert unfit(error) is not None
    assert after_error(error, delivered=True, attempt=1) is None
    assert after_error(error, delivered=False, attempt=ATTEMPTS) is None


@pytest.mark.parametrize(
    "error",
    [
        "RuntimeError: CUDA error: device-side assert triggered",
        "RuntimeError: cuBLAS error: CUBLAS_STATUS_EXECUTION_FAILED",
        "concurrent.futures.process.BrokenProcessPool: A child process terminated abruptly",
    ],
)
def test_an_error_that_leaves_the_process_useless_is_a_result_and_ends_the_instance(error: str) -> None:
    assert after_error(error, delivered=False, attempt=1) is None
    assert unfit(error) is not None


@pytest.mark.parametrize("error", ["ValueError: bad input", "OSError: [Errno 2] No such file: 'x'", "", "\n"])
def test_an_error_of_the_model_is_its_result(error: str) -> None:
    assert after_error(error, delivered=False, attempt=1) is None
    assert unfit(error) is None
