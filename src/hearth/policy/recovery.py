"""What becomes of a prediction whose run was cut off by the machine or by a restart.

What never started is safe to run elsewhere. What started and delivered nothing runs once more. What delivered
output must not run again: somebody has read the first half of another answer.
"""

from __future__ import annotations

import re

import msgspec

from hearth.domain.prediction import Phase, Prediction, Step

ATTEMPTS = 2
"""How often a prediction may start."""
RETURNS = 5
"""How often it may come back without having started: beyond this something is wrong with more than one instance."""

STOPPED_AFTER_OUTPUT = (
    "The server stopped while this prediction ran, after it had delivered output; it was not run again."
)
STOPPED_TWICE = "The server stopped while this prediction ran, for the second time; it was not run again."


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The step to record (None: none, it waits already) and the sentence for it."""

    step: Step | None
    because: str


def recover(prediction: Prediction, *, delivered: bool, now: float) -> Verdict:
    """For a prediction taken over from an engine that is gone.

    1. Its end was asked for: canceled.
    2. Its deadline passed: aborted, or canceled if it had started.
    3. It waits: it waits on.
    4. It had not started: back in line.
    5. It had started and delivered nothing, for the first time: back in line.
    6. Else it failed, and says why.
    """
    running = prediction.phase is Phase.RUNNING
    if prediction.cancel_requested_at is not None:
        return Verdict(step=Step.CANCEL, because="canceled on request")
    if prediction.deadline is not None and prediction.deadline <= now:
        if running:
            return Verdict(step=Step.CANCEL, because="its deadline passed while it ran")
        return Verdict(step=Step.ABORT, because="its deadline passed before it started")
    if prediction.phase is Phase.QUEUED:
        return Verdict(step=None, because="waits again after a restart of the server")
    if not running:
        return Verdict(step=Step.RETURN, because="the server restarted before it had started")
    if delivered:
        return Verdict(step=Step.FAIL, because=STOPPED_AFTER_OUTPUT)
    if prediction.attempt >= ATTEMPTS:
        return Verdict(step=Step.FAIL, because=STOPPED_TWICE)
    return Verdict(step=Step.RETURN, because="the server stopped while it ran, and it had delivered nothing")


def after_loss(*, started: bool, delivered: bool, attempt: int, returns: int, reason: str, told: str = "") -> Verdict:
    """For a prediction whose instance died under it. `reason` is the sentence about the instance. `told`: it did not
    die but lacked memory, and said so."""
    if not started and returns < RETURNS:
        return Verdict(step=Step.RETURN, because=f"its instance was lost before it started: {reason}")
    if started and not delivered and attempt < ATTEMPTS:
        return Verdict(step=Step.RETURN, because=f"its instance was lost and it had delivered nothing: {reason}")
    if told:
        return Verdict(step=Step.FAIL, because=f"{told} ({reason})")
    return Verdict(step=Step.FAIL, because=f"The instance that ran this prediction died: {reason}")


def after_stop(*, started: bool, delivered: bool) -> Verdict:
    """For a prediction that still runs when the server has waited long enough for it to end."""
    if started and delivered:
        return Verdict(step=Step.FAIL, because=STOPPED_AFTER_OUTPUT)
    return Verdict(step=Step.RETURN, because="the server is stopping; it runs again after the restart")


_MACHINE = re.compile(
    r"^OSError: \[Errno (?:5|23|24|28|30|116|122)\]|No space left on device|Disk quota exceeded|Too many open files"
    r"|Input/output error|Read-only file system|can't start new thread|uncorrectable ECC",
    re.MULTILINE,
)
"""What a model raises when the machine lets it down: EIO, ENFILE, EMFILE, ENOSPC, EROFS, ESTALE, EDQUOT, and their
texts. Memory is told apart before it comes to this."""
_POISON = re.compile(
    r"CUDA error|CUBLAS_STATUS_|CUDNN_STATUS_|HIP error|device-side assert|illegal memory access"
    r"|unspecified launch failure|BrokenProcessPool|A child process terminated abruptly|cannot schedule new futures"
)
"""What a model raises when its own process is of no use any more: a CUDA context never recovers from such an error."""


def after_error(error: str, *, delivered: bool, attempt: int) -> Verdict | None:
    """For a run that the model ended with an error. None: that is its result. Else the machine was at fault."""
    found = _MACHINE.search(error)
    if found is None or delivered or attempt >= ATTEMPTS:
        return None
    return Verdict(step=Step.RETURN, because=f"the machine failed its instance, not the model: {_line(error)}")


def unfit(error: str) -> str | None:
    """Why the instance whose model raised this must not be used again; None if nothing speaks against it."""
    if _MACHINE.search(error) or _POISON.search(error):
        return f"its model cannot go on after: {_line(error)}"
    return None


def _line(error: str) -> str:
    lines = error.strip().splitlines()
    return lines[0][:200] if lines else ""
