"""A runtime without processes: models are coroutines, and the test decides when they boot, yield and die.

runtime = FakeRuntime(stream("a", "b"), slots=2)
runtime.boots.clear()                   # instances hang in setup until runtime.boots.set()
runtime.fail_setup = "no weights"       # the next boots fail
runtime.instances[0].die("killed")      # as a segfault would
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from hearth.domain.boot import BootPhase
from hearth.errors import InstanceLost, SetupFailed, Shortage
from hearth.runtime.base import (
    FILE_OUTPUT,
    Began,
    Emission,
    InstanceSpec,
    Job,
    Logged,
    Outcome,
    Tell,
    Usage,
    Yielded,
    Zygote,
)


class FakeRun:
    """One run, as the model sees it."""

    def __init__(self, instance: FakeInstance, job: Job, emit: Callable[[Emission], None]) -> None:
        self.instance, self.job, self.emit = instance, job, emit
        self.cancel = asyncio.Event()
        """Set when the platform asked for the end."""
        self.go = asyncio.Event()
        """For the test: `hold` waits for it."""


Model = Callable[[FakeRun], Awaitable[Outcome]]


async def echo(run: FakeRun) -> Outcome:
    """Returns the input `text`."""
    run.emit(Began())
    return Outcome(status="succeeded", output=run.job.input.get("text"))


def stream(*chunks: Any) -> Model:
    """Yields each chunk at once."""

    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        for chunk in chunks:
            run.emit(Yielded(chunk))
        return Outcome(status="succeeded", output=list(chunks))

    return model


def says(*texts: str, then: Model = echo) -> Model:
    """Prints, then goes on as another model."""

    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        for text in texts:
            run.emit(Logged(text))
        return await then(run)

    return model


def fails(error: str) -> Model:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        return Outcome(status="failed", error=error)

    return model


async def hold(run: FakeRun) -> Outcome:
    """Runs until the test sets `run.go`, or until it is canceled."""
    run.emit(Began())
    waits = [asyncio.ensure_future(run.go.wait()), asyncio.ensure_future(run.cancel.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return Outcome(status="canceled") if run.cancel.is_set() else await echo(run)


def yields_then_holds(*chunks: Any) -> Model:
    async def model(run: FakeRun) -> Outcome:
        run.emit(Began())
        for chunk in chunks:
            run.emit(Yielded(chunk))
        return await hold(run)

    return model


async def deaf(run: FakeRun) -> Outcome:
    """Ignores every cancel: only the end of its instance ends it."""
    run.emit(Began())
    await run.go.wait()
    return await echo(run)


def crashes(
    reason: str = "Worker crashed",
    *,
    started: bool = True,
    after: tuple[Any, ...] = (),
    shortage: Shortage | None = None,
) -> Model:
    """Takes its instance down, before or after the start, having yielded `after`; `shortage`: for lack of memory."""

    async def model(run: FakeRun) -> Outcome:
        if started:
            run.emit(Began())
        for chunk in after:
            run.emit(Yielded(chunk))
        run.instance.die(reason)
        raise InstanceLost(reason, started=started, logs="last words\n", shortage=shortage)

    return model


class FakeInstance:
    def __init__(self, spec: InstanceSpec, model: Model, slots: int) -> None:
        self.id, self.spec, self.slots = spec.id, spec, slots
        self.setup_logs = ""
        self.forked, self.how = False, ""
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.model = model
        self.runs: dict[str, FakeRun] = {}
        self.most = 0
        """The largest number of runs at the same time."""
        self.stopped = False
        self.memory = 64 * 1024 * 1024
        self.peak = self.gpu = 0
        """What the next look finds."""
        self.ill: str | None = None
        """What its health check says."""
        self.checks = 0
        self.arrived: Callable[[str], None] = lambda job_id: None

    async def run(self, job: Job, emit: Callable[[Emission], None]) -> Outcome:
        if self.lost.done():
            raise InstanceLost(self.lost.result(), started=False)
        if len(self.runs) >= self.slots:
            raise AssertionError(f"instance {self.id} was given more than its {self.slots} slots hold")
        run = self.runs[job.id] = FakeRun(self, job, emit)
        self.most = max(self.most, len(self.runs))
        self.arrived(job.id)
        try:
            return await self._until_lost(run)
        finally:
            del self.runs[job.id]

    async def _until_lost(self, run: FakeRun) -> Outcome:
        if self.model is echo:
            return await echo(run)
        body: asyncio.Future[Outcome] = asyncio.ensure_future(self.model(run))
        waits: list[asyncio.Future[Any]] = [body, self.lost]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if body.done() or self.lost.done():
                await asyncio.sleep(0)  # who takes its instance down says why
            if body.done():
                return body.result()
            raise InstanceLost(self.lost.result(), logs="last words\n")
        finally:
            body.cancel()

    async def cancel(self, job_id: str) -> bool:
        run = self.runs.get(job_id)
        if run is None:
            return False
        run.cancel.set()
        return True

    async def check(self) -> str | None:
        self.checks += 1
        return self.lost.result() if self.lost.done() else self.ill

    async def usage(self) -> Usage:
        peak, self.peak = max(self.peak, self.memory), 0
        return Usage(pid=4242, memory=self.memory, peak=peak, gpu=self.gpu, gpu_peak=self.gpu)

    def die(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)

    async def stop(self, grace: float) -> None:
        self.stopped = True
        self.die("it was stopped")

    def write(self, path: Path, data: bytes) -> str:
        """A file output, as the runtime hands it over."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"{FILE_OUTPUT}{path}"


class FakeRuntime:
    """`runtime.base.Runtime`. Each boot is in `specs`, each instance that became ready in `instances`."""

    def __init__(self, model: Model = echo, *, slots: int = 1) -> None:
        self.model, self.slots = model, slots
        self.instances: list[FakeInstance] = []
        self.specs: list[InstanceSpec] = []
        self.boots = asyncio.Event()
        self.boots.set()
        self.booting = 0
        self.fail_setup: str | None = None
        self.shortage: Shortage | None = None
        """Why setup fails, if it is for lack of memory."""
        self.memory: dict[str, int] = {}
        """Bytes that instances of a model take, by its name."""
        self.gpu_memory: dict[str, int] = {}
        self.setup_logs = "loading weights\n"
        self.swept = 0
        self.warm: list[Zygote] = []
        self.given: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """Set when an instance gets a job, by its id."""
        self._news = asyncio.Condition()

    async def until(self, *, boots: int = 0, ready: int = 0) -> None:
        """Wait until this many boots began, and this many instances became ready."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: len(self.specs) >= boots and len(self.instances) >= ready)

    async def _changed(self) -> None:
        async with self._news:
            self._news.notify_all()

    @property
    def alive(self) -> list[FakeInstance]:
        return [instance for instance in self.instances if not instance.lost.done()]

    async def start(
        self, spec: InstanceSpec, log: Callable[[str], None], phase: Tell = lambda phase: None
    ) -> FakeInstance:
        self.specs.append(spec)
        self.booting += 1
        await self._changed()
        try:
            for step in (BootPhase.ENVIRONMENT, BootPhase.PROCESS, BootPhase.IMPORT, BootPhase.SETUP):
                phase(step)
            log(self.setup_logs)
            await self.boots.wait()
            if self.fail_setup is not None:
                raise SetupFailed(self.fail_setup, logs=self.setup_logs, shortage=self.shortage)
        finally:
            self.booting -= 1
        instance = FakeInstance(spec, self.model, self.slots)
        instance.setup_logs = self.setup_logs
        instance.memory = self.memory.get(spec.model, instance.memory)
        instance.gpu = self.gpu_memory.get(spec.model, 0)
        instance.arrived = lambda job_id: self.given[job_id].set()
        self.instances.append(instance)
        await self._changed()
        return instance

    async def sweep(self) -> int:
        self.swept += 1
        return 0

    def zygotes(self) -> Sequence[Zygote]:
        return self.warm

    async def end_zygote(self, id: str) -> None:
        self.warm = [zygote for zygote in self.warm if zygote.id != id]

    async def close(self) -> None:
        self.warm = []
