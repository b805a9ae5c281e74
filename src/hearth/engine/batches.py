"""Groups: several predictions in one run of a model that takes lists.

Each member is run by `runner` as if it had an instance to itself. What it has is a `Seat`, which looks like one: it
waits for the others, joins their inputs to one job, and hands each member its own part of what comes of it. So
files, limits, cancels, losses and records are those of single predictions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hearth import ids
from hearth.domain.model import Batching
from hearth.engine.alarms import Alarms
from hearth.engine.host import Host
from hearth.engine.metrics import Metrics
from hearth.engine.tasks import Tasks
from hearth.engine.ticket import Ticket
from hearth.runtime.base import Emission, Instance, Job, Outcome

STAGING_PATIENCE = 1.0
"""Seconds that a group waits for the input files of its slower members; those then run after it, in the same slot."""
ERROR = "hearth_error"
"""An entry `{"hearth_error": "text"}` of the model's list fails its own prediction only."""
SIZE = "batch_size"
"""The metric that tells each prediction how many ran together."""


def kin(ticket: Ticket, batching: Batching) -> Hashable:
    """Equal for those who may run together: one account, and equal in every input that is not grouped.

    Logs, errors and metrics of a run are shown to all of its group, so nobody is put together with other people's
    inputs, nor with anybody's secrets. What came back after a crash runs alone: it may have been the cause of it.
    """
    prediction = ticket.live.prediction
    if ticket.sealed is not None or prediction.attempt:
        return ticket.id
    known = ticket.plan.schema.known(prediction.input)
    rest = {name: value for name, value in known.items() if name not in batching.inputs}
    return ticket.account, msgspec.json.encode(rest, order="deterministic")


class Seat:
    """One member's place. `run` and `cancel` are those of `runtime.base.Instance`."""

    __slots__ = ("emit", "group", "id", "job", "outcome")

    def __init__(self, group: Group, id: str) -> None:
        self.group, self.id = group, id
        self.job: Job | None = None
        self.emit: Callable[[Emission], None] = lambda emission: None
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    async def run(self, job: Job, emit: Callable[[Emission], None]) -> Outcome:
        """Its part of the group's run. Raises what the run raises."""
        self.job, self.emit = job, emit
        self.group.arrive(self)
        return await self.outcome

    async def cancel(self, job_id: str) -> bool:
        """The run goes on while others want it; what it makes of this one's inputs is dropped."""
        return await self.group.cancel(self)

    def leave(self) -> bool:
        """It is done with its slot, or will never need it. Whether it was the last of its group."""
        return self.group.leave(self)


class Group:
    def __init__(
        self,
        instance: Instance,
        batching: Batching,
        members: Sequence[str],
        *,
        alarms: Alarms,
        tasks: Tasks,
        ran: Callable[[int], None],
        discard: Callable[[str], Awaitable[None]] | None,
    ) -> None:
        """`ran` is told the size of each run; `discard` removes a member's input files when no run needs them."""
        self.id = ids.sortable()
        """Holds the slot."""
        self._instance, self._batching, self._members = instance, batching, tuple(members)
        self._alarms, self._tasks, self._ran, self._discard = alarms, tasks, ran, discard
        self.seats = {id: Seat(self, id) for id in members}
        self._expected = set(members)
        """Their inputs are being fetched."""
        self._here: list[Seat] = []
        """They wait for the run to begin."""
        self._runs: list[Seat] = []
        self._task: asyncio.Task[None] | None = None
        self._job = ""
        self._patient = True

    def arrive(self, seat: Seat) -> None:
        self._expected.discard(seat.id)
        self._here.append(seat)
        if self._expected and self._patient and len(self._here) == 1:
            self._alarms.after(STAGING_PATIENCE, self._impatient)
        self._look()

    def leave(self, seat: Seat) -> bool:
        if self.seats.pop(seat.id, None) is None:
            return False
        self._expected.discard(seat.id)
        if not seat.outcome.done():
            seat.outcome.cancel()
        if self._task is not None and not self._wanted():
            self._task.cancel()  # nobody is left who could ask for it
        self._look()
        return not self.seats

    async def cancel(self, seat: Seat) -> bool:
        if seat.outcome.done():
            return False
        if seat in self._runs and self._wanted() == 1:
            return await self._instance.cancel(self._job)
        seat.outcome.set_result(Outcome(status="canceled"))
        return True

    def _wanted(self) -> int:
        """How many of those who run still want the result."""
        return sum(1 for seat in self._runs if not seat.outcome.done())

    def _impatient(self) -> None:
        self._patient = False
        self._look()

    def _look(self) -> None:
        """Begin, once all are here, or some have waited long enough for the rest."""
        if self._task is None and not (self._expected and self._patient):
            self._runs = [seat for seat in self._here if not seat.outcome.done()]
            self._here = []
            if self._runs:
                self._task = self._tasks.spawn(self._run(self._runs), f"group {self.id}")
            elif not self._expected and self._discard is not None:
                discard, self._discard = self._discard, None
                self._tasks.spawn(self._tidy(discard), f"input files of group {self.id}")

    async def _run(self, seats: list[Seat]) -> None:
        self._ran(len(seats))
        try:
            outcome = await self._instance.run(self._joined(seats), lambda emission: _tell(seats, emission))
        except Exception as error:  # noqa: BLE001 - each member's own run takes it from here
            for seat in seats:
                if not seat.outcome.done():
                    seat.outcome.set_exception(error)
        else:
            for seat, part in zip(seats, split(outcome, len(seats)), strict=True):
                if not seat.outcome.done():
                    seat.outcome.set_result(part)
        finally:
            self._task, self._runs = None, []
            self._look()

    def _joined(self, seats: list[Seat]) -> Job:
        jobs = [seat.job for seat in seats if seat.job is not None]
        self._job = ids.sortable()
        lists = {name: [job.input[name] for job in jobs] for name in self._batching.inputs}
        return Job(id=self._job, input={**jobs[0].input, **lists})

    async def _tidy(self, discard: Callable[[str], Awaitable[None]]) -> None:
        for id in self._members:
            await discard(id)


class Batches:
    """Makes groups. `discard` removes the staged input files of a prediction."""

    def __init__(self, *, alarms: Alarms, metrics: Metrics, discard: Callable[[str], Awaitable[None]]) -> None:
        self._alarms, self._metrics, self._discard = alarms, metrics, discard
        self._tasks = Tasks()

    def group(self, host: Host, tickets: Sequence[Ticket], batching: Batching) -> Group:
        """Seat them; each must then be run, or leave its seat."""
        assert host.instance is not None

        def ran(size: int) -> None:
            host.batches.append(size)
            self._metrics.batch_size.observe(size)

        group = Group(
            host.instance,
            batching,
            [ticket.id for ticket in tickets],
            alarms=self._alarms,
            tasks=self._tasks,
            ran=ran,
            discard=self._discard if tickets[0].plan.schema.file_fields else None,
        )
        host.groups[group.id] = tuple(group.seats)
        for ticket in tickets:
            ticket.seat = group.seats[ticket.id]
        return group

    async def join(self) -> None:
        """Wait until no run is left."""
        await self._tasks.join()


def split(outcome: Outcome, count: int) -> list[Outcome]:
    """Each member's part of what a run of `count` came to."""
    metrics = {**outcome.metrics, SIZE: count}
    entries = outcome.output
    if outcome.status != "succeeded":
        return [replace(outcome, output=None, metrics=dict(metrics)) for _ in range(count)]
    if not isinstance(entries, list) or len(entries) != count:
        found = f"{len(entries)} entries" if isinstance(entries, list) else "no list"
        error = f"The model was given {count} entries and returned {found}; it must return one for each."
        return [Outcome(status="failed", error=error, metrics=dict(metrics)) for _ in range(count)]
    return [_part(entry, dict(metrics)) for entry in entries]


def _part(entry: Any, metrics: dict[str, Any]) -> Outcome:
    if isinstance(entry, dict) and entry.keys() == {ERROR}:
        return Outcome(status="failed", error=str(entry[ERROR]), metrics=metrics)
    return Outcome(status="succeeded", output=entry, metrics=metrics)


def _tell(seats: list[Seat], emission: Emission) -> None:
    for seat in seats:
        if not seat.outcome.done():
            seat.emit(emission)
