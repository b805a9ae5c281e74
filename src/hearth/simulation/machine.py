"""A machine that only lets time pass: boots and runs take as long as the trace says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from hearth.domain.boot import BootPhase
from hearth.runtime.base import Began, Emission, InstanceSpec, Job, Outcome, Tell, Usage, Zygote
from hearth.simulation.trace import Facts


class Life(msgspec.Struct):
    """One instance from the beginning of its boot to its end, in the loop's time."""

    facts: Facts
    began: float
    ready: float | None = None
    ended: float | None = None


class Run(msgspec.Struct, frozen=True):
    """One run, and when the instance that it ran on had become ready."""

    job: str
    began: float
    ready: float


class Machine:
    """`runtime.base.Runtime`."""

    def __init__(self, facts: dict[str, Facts]) -> None:
        """`facts`: by version id."""
        self._facts = facts
        self.lives: list[Life] = []
        self.runs: list[Run] = []

    async def start(
        self, spec: InstanceSpec, log: Callable[[str], None], phase: Tell = lambda phase: None
    ) -> SimulatedInstance:
        loop = asyncio.get_running_loop()
        life = Life(self._facts[spec.version_id], loop.time())
        self.lives.append(life)
        phase(BootPhase.PROCESS)
        phase(BootPhase.SETUP)
        try:
            await asyncio.sleep(life.facts.boot)
        except asyncio.CancelledError:
            life.ended = loop.time()
            raise
        life.ready = loop.time()
        return SimulatedInstance(spec.id, life, self.runs)

    def zygotes(self) -> Sequence[Zygote]:
        return ()

    async def end_zygote(self, id: str) -> None:
        """There is none."""

    async def close(self) -> None:
        """Nothing is open."""

    async def sweep(self) -> int:
        return 0


class SimulatedInstance:
    """`runtime.base.Instance`."""

    def __init__(self, id: str, life: Life, runs: list[Run]) -> None:
        self.id, self.slots, self.setup_logs = id, life.facts.slots, ""
        self.forked, self.how = False, ""
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._life, self._runs = life, runs

    async def run(self, job: Job, emit: Callable[[Emission], None]) -> Outcome:
        assert self._life.ready is not None
        self._runs.append(Run(job.id, asyncio.get_running_loop().time(), self._life.ready))
        emit(Began())
        await asyncio.sleep(job.input["run"])
        return Outcome(status="succeeded")

    async def cancel(self, job_id: str) -> bool:
        """Nobody cancels in a simulation."""
        return False

    async def check(self) -> str | None:
        return None

    async def usage(self) -> Usage:
        return Usage(pid=None, memory=self._life.facts.memory, peak=self._life.facts.memory)

    async def stop(self, grace: float) -> None:
        if self._life.ended is None:
            self._life.ended = asyncio.get_running_loop().time()
        if not self.lost.done():
            self.lost.set_result("it was stopped")
