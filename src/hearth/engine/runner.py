"""The life of one run, from a slot to an outcome.

1. Secrets are opened and input files brought to this disk.
2. The instance runs the job; what it reports becomes events at once.
3. Output files are stored, the slot goes back.
4. The outcome is recorded; or the prediction goes back in line, because the machine was at fault.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from hearth.domain.events import Kind
from hearth.domain.model import Version
from hearth.domain.prediction import Phase, Prediction, Step
from hearth.engine import tokens
from hearth.engine.alarms import Alarms
from hearth.engine.host import Host
from hearth.engine.inputs import InputFailed, Inputs
from hearth.engine.masking import MaskedText, Masker
from hearth.engine.metrics import Metrics
from hearth.engine.options import EngineOptions
from hearth.engine.outputs import Outlet, OutputFailed, Outputs
from hearth.engine.packing import Packing
from hearth.engine.recorder import Recorder
from hearth.engine.sentences import with_lines
from hearth.engine.ticket import Cause, Stage, Ticket
from hearth.engine.trainings import Trainings
from hearth.errors import InstanceLost, Shortage, Unavailable
from hearth.policy.footprint import ran_out
from hearth.policy.recovery import Verdict, after_error, after_loss, after_stop
from hearth.runtime.base import Began, Emission, Job, Logged, Measured, Outcome, Yielded

log = logging.getLogger(__name__)

Give = Callable[[Ticket, str | None], None]
"""Hand the slot back; the text is why the instance must not be used again. Calls after the first do nothing."""


class _Starved(InstanceLost):
    """The model said that memory ran out, and lives on: in its own words."""


class Runner:
    def __init__(
        self,
        *,
        recorder: Recorder,
        inputs: Inputs,
        outputs: Outputs,
        trainings: Trainings,
        alarms: Alarms,
        metrics: Metrics,
        packing: Packing,
        options: EngineOptions,
        stop: Callable[[Ticket], None],
        over_limit: Callable[[Ticket], None],
        examine: Callable[[Host, str], Awaitable[str | None]],
        ended: Callable[[Prediction], None],
    ) -> None:
        """`stop` asks the model to end a run; `examine` says why an instance whose model raised this must not be used
        again; `over_limit` is told that a run has used up its time, `ended` of every outcome."""
        self._recorder, self._inputs, self._outputs, self._trainings = recorder, inputs, outputs, trainings
        self._alarms, self._metrics, self._options = alarms, metrics, options
        self._packing = packing
        self._stop, self._over_limit, self._told = stop, over_limit, ended
        self._examine = examine

    async def run(self, ticket: Ticket, give: Give) -> bool:
        """Whether it goes back in line. Only a withdrawn prediction raises: CancelledError."""
        if ticket.withdrawn:
            return False
        try:
            return await self._run(ticket, give)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if ticket.withdrawn or ticket.cause is None or task is None:
                raise
            task.uncancel()
            give(ticket, None)
            return await self._broken_off(ticket)
        except InstanceLost as error:
            host = ticket.host
            reason = error.message
            if host is not None and not host.serving:  # the host knows better why it ended
                reason = host.because
            if host is not None and error.shortage is not None:
                reason = self._packing.starved(host, error.shortage).because
            give(ticket, reason)
            return await self._after_loss(ticket, error, reason)
        except (InputFailed, OutputFailed, Unavailable) as error:
            give(ticket, None)
            await self._fail(ticket, error.message if error.hint is None else f"{error.message} {error.hint}")
        except Exception:
            log.exception(
                "prediction %s failed inside the engine",
                ticket.id,
                extra={"action": "run_failed", "prediction": ticket.id, "version": ticket.plan.version.id},
            )
            give(ticket, "a run on it failed inside the engine")
            await self._fail(ticket, f"An error inside Hearth ended this prediction; the log names {ticket.id}.")
        return False

    async def _run(self, ticket: Ticket, give: Give) -> bool:
        if ticket.cause is not None:
            return await self._broken_off(ticket)
        host = ticket.host
        assert host is not None
        assert host.instance is not None
        ticket.stage = Stage.STAGING
        plan, prediction = ticket.plan, ticket.live.prediction
        input = plan.schema.known(prediction.input)
        secrets, texts = self._inputs.unseal(ticket.sealed)
        masker = Masker(texts)
        outlet = Outlet(
            prediction=prediction,
            outputs=self._outputs,
            masker=masker,
            data_files=plan.schema.output_kind.has_files,
            emit=lambda item: self._recorder.output(ticket.live, item),
        )
        printed = MaskedText(masker)
        try:
            if plan.schema.file_fields:
                input = await self._inputs.stage(ticket.id, input, plan.schema)
            job = Job(id=ticket.id, input={**input, **secrets} if secrets else input)
            if ticket.live.again or prediction.attempt:
                # It may have run before. A crash must find that it runs again, or each one would have it run once more.
                self._begin(ticket)
                await self._recorder.settled(ticket.live)
            ticket.stage = Stage.RUNNING
            place = ticket.seat or host.instance
            outcome = await place.run(job, self._listener(ticket, outlet, printed, masker))
            if outcome.status == "failed" and (gpu := ran_out(outcome.error or "")) is not None:
                # Not the model's fault: the machine gave it too little.
                raise _Starved(outcome.error, shortage=Shortage(gpu=gpu))
        except BaseException:
            outlet.abandon()
            raise
        finally:
            self._recorder.log(ticket.live, printed.rest())
            if plan.schema.file_fields and ticket.seat is None:  # else its group may still need them
                await self._inputs.discard(ticket.id)
        ticket.disarm()
        ticket.stage = Stage.STORING
        self._begin(ticket)
        if not outlet.busy(outcome.output) and outcome.status != "failed":
            give(ticket, None)
        return await self._ended(ticket, outcome, outlet, masker, give)

    def _listener(
        self, ticket: Ticket, outlet: Outlet, printed: MaskedText, masker: Masker
    ) -> Callable[[Emission], None]:
        live, recorder = ticket.live, self._recorder

        def hear(emission: Emission) -> None:
            if live.finishing:
                return
            kind = type(emission)
            if kind is Yielded:
                self._begin(ticket)
                outlet.item(emission.value)  # type: ignore[union-attr]
            elif isinstance(emission, Logged):
                recorder.log(live, printed.feed(emission.text))
            elif isinstance(emission, Measured):
                data = {"name": emission.name, "value": masker.value(emission.value), "mode": emission.mode}
                recorder.note(live, Kind.METRIC, data)
            elif isinstance(emission, Began):
                self._begin(ticket)

        return hear

    def _limit(self, ticket: Ticket) -> float:
        return self._options.training_timeout if ticket.plan.lane.train else self._options.run_timeout

    def _begin(self, ticket: Ticket) -> None:
        """The model's code runs, at the latest when something came of it."""
        live = ticket.live
        if live.prediction.phase is Phase.ASSIGNED:
            data = {"instance": ticket.instance, "attempt": live.prediction.attempt + 1}
            self._recorder.step(live, Step.START, "the model runs", data)
        if ticket.stage is Stage.RUNNING and ticket.limit is None:
            ticket.limit = self._alarms.after(self._limit(ticket), lambda: self._over_limit(ticket))
            if ticket.cause is not None:
                self._stop(ticket)  # asked for before the instance knew of the job

    async def _ended(self, ticket: Ticket, outcome: Outcome, outlet: Outlet, masker: Masker, give: Give) -> bool:
        """The model came to an end by itself, or because it was asked to."""
        live = ticket.live
        try:
            await outlet.drained()
            output = await self._output(ticket, outcome, outlet)
        except (OutputFailed, asyncio.CancelledError):
            outlet.abandon()
            raise
        if outcome.status == "failed" and ticket.cause is None:
            return await self._failed(ticket, outcome, output, masker, give)
        give(ticket, None)
        metrics = masker.value(outcome.metrics)
        if outcome.status == "succeeded":
            version = None
            if ticket.plan.lane.train:
                output, version = await self._trainings.made(live.prediction, ticket.plan.version, output)
            await self._finish(ticket, Step.SUCCEED, output=output, metrics=metrics, version=version)
        elif ticket.cause is not None:
            return await self._broken_off(ticket, metrics)
        else:
            await self._fail(ticket, "The run was broken off by the model's own runtime.", metrics, output)
        return False

    async def _failed(self, ticket: Ticket, outcome: Outcome, output: Any, masker: Masker, give: Give) -> bool:
        """The model raised. That is a result, unless the machine is behind it; and its instance is looked at before
        it gets another one."""
        error = masker.text(outcome.error or "The model failed without saying why.")
        host, live = ticket.host, ticket.live
        verdict = after_error(error, delivered=ticket.delivered, attempt=live.prediction.attempt)
        if verdict is not None:
            give(ticket, verdict.because)
            return await self._judged(ticket, verdict)
        metrics = masker.value(outcome.metrics)
        await self._finish(ticket, Step.FAIL, error=error, output=output if live.items else None, metrics=metrics)
        give(ticket, None if host is None else await self._examine(host, error))
        return False

    async def _output(self, ticket: Ticket, outcome: Outcome, outlet: Outlet) -> Any:
        """The items that were shown, and whatever the outcome has beyond them."""
        items = ticket.live.items
        if not items:
            if outcome.output is not None:
                return await outlet.stored(outcome.output)
            return [] if ticket.plan.schema.output_kind.is_iterator and outcome.status == "succeeded" else None
        rest = outcome.output[outlet.count :] if isinstance(outcome.output, list) else []
        return [*items, *[await outlet.stored(item) for item in rest]]

    async def _broken_off(self, ticket: Ticket, metrics: dict[str, Any] | None = None) -> bool:
        """Its end was asked for, and here it is."""
        seconds = f"{self._options.cancel_grace:g} s"
        grace = f"; it did not stop within {seconds}, so its instance was ended" if ticket.killed else ""
        if ticket.killed:
            self._recorder.stopping(ticket.live, "killed", ticket.instance, "its instance was ended")
        match ticket.cause:
            case Cause.SHUTDOWN:
                return await self._judged(ticket, after_stop(started=ticket.started, delivered=ticket.delivered))
            case Cause.TIME_LIMIT:
                what = "training" if ticket.plan.lane.train else "prediction"
                limit = f"The {what} ran longer than {self._limit(ticket):g} s, the limit of this server"
                await self._fail(ticket, f"{limit}{grace}.", metrics)
            case Cause.DISABLED:
                because = f"{Cause.DISABLED.value}{grace}"
                await self._finish(ticket, Step.CANCEL, because=because, output=_shown(ticket), metrics=metrics)
            case Cause.DEADLINE if not ticket.started:
                await self._finish(ticket, Step.ABORT, because="its deadline passed before it started")
            case Cause.DEADLINE:
                because = f"its deadline passed while it ran{grace}"
                await self._finish(ticket, Step.CANCEL, because=because, output=_shown(ticket), metrics=metrics)
            case _:
                because = f"canceled on request{grace}"
                await self._finish(ticket, Step.CANCEL, because=because, output=_shown(ticket), metrics=metrics)
        return False

    async def _after_loss(self, ticket: Ticket, error: InstanceLost, reason: str) -> bool:
        """The instance died under it, by itself or because we ended it."""
        if error.started:
            self._begin(ticket)  # it may have begun, so this attempt counts
        if ticket.cause is not None:
            return await self._broken_off(ticket)
        masker = Masker(self._inputs.unseal(ticket.sealed)[1])
        verdict = after_loss(
            started=error.started,
            delivered=ticket.delivered,
            attempt=ticket.live.prediction.attempt,
            returns=ticket.returns,
            reason=reason,
            told=masker.text(error.message) if isinstance(error, _Starved) else "",
        )
        if not error.started:
            ticket.returns += 1
        return await self._judged(ticket, verdict, masker.text(error.logs))

    async def _judged(self, ticket: Ticket, verdict: Verdict, logs: str = "") -> bool:
        if verdict.step is not Step.RETURN:
            await self._fail(ticket, with_lines(verdict.because, logs))
            return False
        self._recorder.step(ticket.live, Step.RETURN, verdict.because, {"because": verdict.because})
        self._metrics.returned.inc()
        log.warning(
            "prediction %s goes back in line: %s",
            ticket.id,
            verdict.because,
            extra={"action": "prediction_returned", "prediction": ticket.id},
        )
        return True

    async def _fail(
        self, ticket: Ticket, error: str, metrics: dict[str, Any] | None = None, output: Any = None
    ) -> None:
        await self._finish(ticket, Step.FAIL, error=error, output=output or _shown(ticket), metrics=metrics)

    async def _finish(
        self,
        ticket: Ticket,
        step: Step,
        *,
        because: str = "",
        error: str | None = None,
        output: Any = None,
        metrics: dict[str, Any] | None = None,
        version: Version | None = None,
    ) -> None:
        ticket.stage = Stage.STORING
        final = await self._recorder.finish(
            ticket.live, step, because=because, error=error, output=output, metrics=metrics, version=version
        )
        if final is None:
            return
        if version is not None:
            self._trainings.stored(version.id)
        self._metrics.outcomes[final.phase.value].inc()
        if final.started_at is not None and final.completed_at is not None:
            self._metrics.run_seconds.observe(final.completed_at - final.started_at)
        if tokens.OUTPUT in final.metrics or tokens.INPUT in final.metrics:
            tokens.observe(self._metrics, final.metrics)
        self._told(final)

    async def end_waiting(self, ticket: Ticket, step: Step, because: str = "", error: str | None = None) -> None:
        """Record the end of a prediction that has no slot."""
        await self._finish(ticket, step, because=because, error=error)


def _shown(ticket: Ticket) -> list[Any] | None:
    """The items that people have seen; they stay when the run does not succeed."""
    return list(ticket.live.items) or None
