"""One running coglet: predictions in, emissions out, and every way in which it can die."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Any

from hearth.cog.client import AtCapacity, Coglet, Completed, Event, Log, Metric, Output, Started
from hearth.cog.events import PRINTED_MARK, PRINTED_METRIC
from hearth.cog.files import BadOutput
from hearth.errors import InstanceLost, InvalidInput, Shortage, TooLarge, Unavailable
from hearth.runtime import memory, processes
from hearth.runtime.activity import Activity
from hearth.runtime.base import Began, Emission, Job, Logged, Measured, Outcome, Usage, Yielded
from hearth.runtime.group import Group
from hearth.runtime.home import Home
from hearth.runtime.limits import Confinement
from hearth.runtime.litter import Litter
from hearth.runtime.outputs import Outputs
from hearth.runtime.printed import Origin, Tail

GpuMemory = Callable[[Collection[int]], int]
"""Bytes that processes take on the fullest GPU."""
TAIL = 64 * 1024
"""Characters kept of what an instance prints outside its predictions."""
REASON_PATIENCE = 0.5
"""Seconds that a broken stream waits for the process watch to say why."""
PRINT_PATIENCE = 0.5
"""Seconds that the end of a prediction waits for the last lines of its child processes; milliseconds suffice."""
CHECK_PATIENCE = 12.0
"""Seconds for an answer to a health check. coglet gives the model 5, and itself 10."""
BEGIN_PATIENCE = 20.0
"""Seconds for a prediction to begin, which takes milliseconds, until the instance is asked how it is."""
CALL_PATIENCE = 0.1
"""Seconds from the beginning of a prediction until the model is called for sure, which takes a millisecond. A cancel
that reaches coglet in between is lost."""
STREAM_PATIENCE = 2.0
"""Seconds that coglet has to end the streams of a dead worker; it takes milliseconds."""


class ProcessInstance:
    """An `Instance` on this machine, from the moment its setup has ended well (`boot.py`)."""

    def __init__(
        self,
        id: str,
        *,
        slots: int,
        iterates: bool,
        home: Home,
        group: Group,
        coglet: Coglet,
        prefix: str,
        setup_logs: str,
        forked: bool,
        how: str,
        activity: Activity,
        confinement: Confinement,
        gpu_memory: GpuMemory,
    ) -> None:
        """`prefix` makes a job's id the name that coglet knows it by, and its folders have."""
        self.id = id
        self.slots = slots
        self.setup_logs = setup_logs
        self.forked, self.how = forked, how
        self._activity = activity
        self._confinement, self._gpu_memory = confinement, gpu_memory
        confinement.rest()  # its setup is over
        self._shortage: Shortage | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._iterates = iterates
        self._home = home
        self._group = group
        self._coglet = coglet
        self._prefix = prefix
        self._outputs = Outputs(home.out)
        self._litter = Litter(home.out)
        self._running: dict[str, _Running] = {}
        self._printed = Tail(TAIL)
        self._words = Tail(TAIL)
        """coglet's own: of use only when it is coglet that died."""
        self._stopping: asyncio.Task[None] | None = None
        self._force = asyncio.Event()
        self._examining: set[asyncio.Task[None]] = set()
        group.exited.add_done_callback(self._server_died)
        group.worker.add_done_callback(self._worker_died)

    async def run(self, job: Job, emit: Callable[[Emission], None]) -> Outcome:
        if self.lost.done():
            raise self._loss(self.lost.result(), started=False)
        if len(self._running) >= self.slots:
            raise Unavailable(f"Every slot of instance {self.id} is taken.")
        running = _Running(emit, self._outputs.checked if self._iterates else None)
        name = self._prefix + job.id
        self._running[name] = running
        self._activity.began()
        self._confinement.work()
        self._await_begin(running)
        large = False
        try:
            completed = await self._coglet.predict(name, job.input, context=job.context, on_event=running.take)
            large = completed.large
            self._group.drain()  # what was printed, before it counts as another job's
            if not running.all_printed:
                await running.wait_printed(PRINT_PATIENCE)
            return self._outcome(completed)
        except (InvalidInput, TooLarge, BadOutput) as error:
            return Outcome(status="failed", error=str(error).strip())
        except InstanceLost as error:
            raise await self._explained(error) from error
        except AtCapacity as error:
            # Our own count says that a slot is free: what holds it was given up, and nobody knows for how long.
            self._lose("a prediction that was given up still holds its slot")
            raise self._loss(self.lost.result(), started=False) from error
        except Unavailable as error:
            self._lose(error.message)
            raise self._loss(self.lost.result(), started=False) from error
        finally:
            del self._running[name]
            running.stop_waiting()
            self._activity.ended()
            self._confinement.rest()
            self._litter.add(name, large=large)

    async def cancel(self, job_id: str) -> bool:
        name = self._prefix + job_id
        running = self._running.get(name)
        if running is None or running.began is None:
            return False
        early = running.began + CALL_PATIENCE - asyncio.get_running_loop().time()
        if early > 0:
            await asyncio.sleep(early)
            if name not in self._running:
                return False
        try:
            return await self._coglet.cancel(name)
        except InstanceLost:
            return False

    async def check(self) -> str | None:
        if self.lost.done():
            return self.lost.result()
        try:
            async with asyncio.timeout(CHECK_PATIENCE):
                health = await self._coglet.health()
        except TimeoutError:
            return f"it did not answer a health check within {CHECK_PATIENCE:g} s"
        except InstanceLost as error:
            return error.message
        if health.fit:
            return None
        return f"its health check failed: {health.user_healthcheck_error or health.status}"

    async def usage(self) -> Usage:
        return await asyncio.to_thread(self._usage)

    def _usage(self) -> Usage:
        self._group.go_on()
        pids = self._group.pids()
        taken, gpu = memory.look(pids), self._gpu_memory(pids)
        return Usage(
            pid=None if self._group.exited.done() else self._group.pid,
            memory=taken.now,
            peak=taken.peak,
            gpu=gpu,
            gpu_peak=gpu,
        )

    async def stop(self, grace: float) -> None:
        loop = asyncio.get_running_loop()
        if grace > 0:
            timer = loop.call_later(grace, self._force.set)
        else:
            self._force.set()
            timer = None
        if self._stopping is None:
            self._stopping = loop.create_task(self._stop(), name=f"hearth-stop-{self.id}")
        try:
            await asyncio.shield(self._stopping)
        finally:
            if timer is not None and self._stopping.done():
                timer.cancel()

    def printed(self, origin: Origin, text: str) -> None:
        """Takes a line that coglet wrote to stderr."""
        if PRINTED_MARK in text:
            text, _, name = text.rpartition(PRINTED_MARK)
            if (marked := self._running.get(name.rstrip())) is not None:
                marked.mark()
            if not text:
                return
            text += "\n"
        if origin is Origin.MODEL and len(self._running) == 1:
            (running,) = self._running.values()
            running.emit(Logged(text))
        elif origin is Origin.RUNTIME:
            self._words.add(text)
        else:
            self._printed.add(text)

    def _await_begin(self, running: _Running) -> None:
        running.late = asyncio.get_running_loop().call_later(BEGIN_PATIENCE, self._late, running)

    def _late(self, running: _Running) -> None:
        task = asyncio.create_task(self._examine(running), name=f"hearth-examine-{self.id}")
        self._examining.add(task)
        task.add_done_callback(self._examining.discard)

    async def _examine(self, running: _Running) -> None:
        """It has not begun: an instance that hangs would never answer, and no time limit runs yet. One that works on
        something else may keep it waiting."""
        works = any(other.late is None for other in self._running.values())
        why = None if works else await self.check()
        if running.late is None or self.lost.done():
            return
        if why is None:
            self._await_begin(running)
            return
        self._lose(f"it did not begin a prediction within {BEGIN_PATIENCE:g} s, and {why}")
        self._coglet.close()

    def _outcome(self, completed: Completed) -> Outcome:
        return Outcome(
            status=completed.status,
            output=None if self._iterates else self._outputs.checked(completed.output),
            error=completed.error,
            metrics=completed.metrics,
        )

    async def _explained(self, error: InstanceLost) -> InstanceLost:
        """The loss of a stream, with the reason for it; the instance is lost with it."""
        if not self.lost.done():
            await asyncio.wait([self.lost], timeout=REASON_PATIENCE)
        self._lose(error.message)
        return self._loss(self.lost.result(), started=error.started)

    def _loss(self, reason: str, *, started: bool) -> InstanceLost:
        self._group.drain()
        words = str(self._words) if self._group.exited.done() else ""
        logs = str(self._printed) or words or self.setup_logs
        return InstanceLost(reason, started=started, logs=logs, shortage=self._shortage)

    def _worker_died(self, worker: asyncio.Future[int | None]) -> None:
        # coglet never restarts it.
        self._lose(f"the model's process {self._ending(worker.result())}")
        asyncio.get_running_loop().call_later(STREAM_PATIENCE, self._coglet.close)

    def _server_died(self, exited: asyncio.Future[int | None]) -> None:
        self._lose(f"the instance's server {self._ending(exited.result())}")
        self._group.kill()

    def _ending(self, status: int | None) -> str:
        self._shortage = self._shortage or self._confinement.shortage(status)
        return "ran out of memory" if self._shortage is not None else processes.ending(status)

    def _lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    async def _stop(self) -> None:
        exited: asyncio.Future[Any] = self._group.exited
        force: asyncio.Future[Any] = asyncio.create_task(self._force.wait(), name=f"hearth-force-{self.id}")
        try:
            if not self.lost.done() and not self._force.is_set():
                self._lose("it was stopped")
                asked = asyncio.create_task(self._shutdown(), name=f"hearth-shutdown-{self.id}")
                await asyncio.wait([exited, force], return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                await asyncio.wait([asked])
            self._lose("it was stopped")
        finally:
            force.cancel()
            self._coglet.close()
            self._confinement.unwatch()
            await self._group.end()
            await asyncio.to_thread(self._confinement.release)
            await self._litter.flush()
            await asyncio.to_thread(self._home.remove)

    async def _shutdown(self) -> None:
        with contextlib.suppress(InstanceLost):
            await self._coglet.shutdown()


class _Running:
    """Passes on what one prediction reports."""

    __slots__ = ("_checked", "_marks", "_marks_due", "_printed", "began", "emit", "late")

    def __init__(self, emit: Callable[[Emission], None], checked: Callable[[Any], Any] | None) -> None:
        self.emit = emit
        self._checked = checked
        """None when the output comes as a whole, at the end."""
        self._marks = 0
        self._marks_due = 0
        self._printed: asyncio.Future[None] | None = None
        self.late: asyncio.TimerHandle | None = None
        """Rings if it has not begun by then; None once it has, or is over."""
        self.began: float | None = None
        """In the event loop's time."""

    def stop_waiting(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None

    @property
    def all_printed(self) -> bool:
        return self._marks >= self._marks_due

    def mark(self) -> None:
        """The output of child processes is complete, up to one of the marks behind it."""
        self._marks += 1
        if self.all_printed and self._printed is not None and not self._printed.done():
            self._printed.set_result(None)

    async def wait_printed(self, patience: float) -> None:
        self._printed = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._printed], timeout=patience)

    def take(self, event: Event) -> None:
        self.stop_waiting()
        if isinstance(event, Output):
            if self._checked is not None:
                self.emit(Yielded(self._checked(event.chunk)))
        elif isinstance(event, Log):
            self.emit(Logged(event.text))
        elif isinstance(event, Metric):
            if event.name == PRINTED_METRIC:
                self._marks_due = event.value if isinstance(event.value, int) else 0
                return
            self.emit(Measured(event.name, event.value, event.mode))
        elif isinstance(event, Started):
            self.began = asyncio.get_running_loop().time()
            self.emit(Began())
