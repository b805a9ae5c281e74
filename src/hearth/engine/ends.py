"""Ends that were asked for: by a user, a deadline, a limit. Each step is an event; asking comes first, then force.

| it is | what happens |
|---|---|
| not heard of yet | kept, and it ends as it comes |
| in line, booting | ends at once |
| staging inputs, storing outputs | broken off |
| running | the model is asked; after the grace its instance is ended |
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from hearth.clock import Clock
from hearth.domain.events import Kind
from hearth.domain.prediction import Step
from hearth.engine.alarms import Alarms
from hearth.engine.recorder import Recorder
from hearth.engine.supervisor import Supervisor
from hearth.engine.tasks import Tasks
from hearth.engine.ticket import Cause, Stage, Ticket
from hearth.errors import HearthError

log = logging.getLogger(__name__)

_EARLY = 256
"""Cancels that are kept for predictions yet to be heard of."""
_BEFORE_START = {
    Cause.DEADLINE: "its deadline passed before it started",
    Cause.DISABLED: Cause.DISABLED.value,
}
"""Why what waits ends, by cause; canceled on request, else."""

Early = tuple[Cause, str | None]


class Ends:
    """`end_waiting` takes one out of line and records how it ended; `tasks` are the dispatcher's."""

    def __init__(
        self,
        *,
        tickets: Mapping[str, Ticket],
        tasks: Tasks,
        recorder: Recorder,
        supervisor: Supervisor,
        clock: Clock,
        alarms: Alarms,
        grace: float,
        end_waiting: Callable[[Ticket, Step, str], None],
    ) -> None:
        self._tickets, self._tasks, self._recorder, self._supervisor = tickets, tasks, recorder, supervisor
        self._clock, self._alarms, self._grace, self._end_waiting = clock, alarms, grace, end_waiting
        self._early: dict[str, Early] = {}

    def early(self, prediction_id: str) -> Early | None:
        """Who asked for its end before it came."""
        return self._early.pop(prediction_id, None) if self._early else None

    def cancel(self, prediction_id: str, cause: Cause, by: str | None = None) -> None:
        """Somebody wants it to end, `by` name; the first cause counts. One that is not known here has ended, or is yet
        to be heard of."""
        ticket = self._tickets.get(prediction_id)
        if ticket is None:
            self._early[prediction_id] = (cause, by)
            if len(self._early) > _EARLY:
                del self._early[next(iter(self._early))]
            return
        live = ticket.live
        if ticket.cause is not None or live.finishing or ticket.stage is Stage.ENDING:
            return
        ticket.cause = cause
        if cause is Cause.USER:
            live.become(replace(live.prediction, cancel_requested_at=self._clock.now()))
        asked = {"because": cause.value}
        self._recorder.note(live, Kind.CANCEL_REQUESTED, asked if by is None else {**asked, "by": by})
        if ticket.stage is Stage.WAITING:
            step = Step.ABORT if cause is Cause.DEADLINE else Step.CANCEL
            self._end_waiting(ticket, step, _BEFORE_START.get(cause, "canceled on request before it started"))
        elif ticket.stage in (Stage.STAGING, Stage.STORING) and ticket.task is not None:
            ticket.task.cancel()
        elif ticket.stage is Stage.RUNNING:
            self.stop_run(ticket)

    def over_limit(self, ticket: Ticket) -> None:
        """It has used up its time."""
        self.cancel(ticket.id, Cause.TIME_LIMIT)

    def stop_run(self, ticket: Ticket) -> None:
        """Ask the model to stop; when the grace is over, its instance ends."""
        self._tasks.spawn(self._ask(ticket), f"cancel {ticket.id}")
        if ticket.grace is None:
            self._recorder.stopping(ticket.live, "asked", ticket.instance, "the model is asked to stop")
            ticket.grace = self._alarms.after(self._grace, lambda: self._kill(ticket))

    async def _ask(self, ticket: Ticket) -> None:
        host = ticket.host
        if host is None or host.instance is None:
            return
        try:
            await (ticket.seat or host.instance).cancel(ticket.id)
        except (HearthError, OSError) as error:
            log.warning(
                "instance %s could not be asked to cancel %s: %s",
                host.id,
                ticket.id,
                error,
                extra={"action": "cancel_failed", "instance": host.id, "prediction": ticket.id},
            )

    def _kill(self, ticket: Ticket) -> None:
        if ticket.host is not None and ticket.stage is Stage.RUNNING:
            ticket.killed = True
            grace = f"did not stop within {self._grace:g} s"
            self._recorder.stopping(ticket.live, "grace over", ticket.instance, f"it {grace}; its instance is ended")
            self._supervisor.end(ticket.host, f"prediction {ticket.id} {grace}", 0)
