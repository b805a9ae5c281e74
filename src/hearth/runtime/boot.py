"""From an environment and a private folder to a coglet that takes predictions, or a reason why not."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from hearth.cog import boot as cog_boot
from hearth.cog import instance as cog_instance
from hearth.cog.build import Environment
from hearth.cog.client import Coglet, Health
from hearth.domain.boot import BootPhase
from hearth.errors import InstanceLost, SetupFailed
from hearth.runtime import processes
from hearth.runtime.activity import Activity
from hearth.runtime.base import InstanceSpec, Tell
from hearth.runtime.group import Group, Pipes
from hearth.runtime.home import Home
from hearth.runtime.instance import CHECK_PATIENCE, TAIL, GpuMemory, ProcessInstance
from hearth.runtime.limits import Confinement
from hearth.runtime.printed import Origin, Tail
from hearth.runtime.zygote import Forked, Refused, Zygote, write_shim
from hearth.runtime.zygotes import Zygotes, shared

HOST = "127.0.0.1"
ATTEMPTS = 5
"""At a port that somebody else takes, or a worker that does not answer."""
DEAF_ATTEMPTS = 2
"""After so many deaf workers, the next one has all the time of its setup."""
_PORT_TAKEN = "Address already in use"
_WORKER_CRASHED = "worker crashed"
_WRAPPING = re.compile(r"^(?:(?:worker )?setup failed(?: \(slot [^)]*\))?: )+", re.IGNORECASE)
"""What coglet puts before `ExceptionType: message`, once for each of its layers."""
CRASH_PATIENCE = 1.0
"""Seconds that a worker has to be dead after coglet has noticed it."""
_FIRST_PAUSE, _LAST_PAUSE = 0.003, 0.25
_PACE = 0.03
"""The pause between two looks at a starting instance, as a part of the time it has taken so far."""


DEAF_AFTER = 2
"""Health checks in a row without an answer, of 10 s each, after which a worker whose setup has ended is given up."""
LOST_AFTER = 10.0
"""Seconds that coglet has to learn that the setup has ended; milliseconds suffice."""


class Deaf(Exception):
    """Its setup has ended, and coglet can't reach it."""


class PortTaken(Exception):
    """Somebody else listens on the port that was free a moment ago."""


class Reservation:
    """A port that the kernel gives to nobody else until `release`, but to coglet: both set SO_REUSEADDR, and
    this socket never listens. Where that is refused (macOS) the port is merely free now."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, 0))
        self.port: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self.release()

    def release(self) -> None:
        self._socket.close()


class Boot:
    """One attempt to start one instance. `run` it once."""

    def __init__(
        self,
        spec: InstanceSpec,
        environment: Environment,
        home: Home,
        *,
        variables: Mapping[str, str],
        inherited: Mapping[str, str],
        markers: Mapping[str, str],
        cache: Path,
        prefix: str,
        log: Callable[[str], None],
        phase: Tell,
        zygotes: Zygotes,
        activity: Activity,
        confinement: Confinement,
        gpu_memory: GpuMemory,
        patient: bool,
    ) -> None:
        """`patient`: a worker that does not answer after its setup is waited for until the deadline."""
        self._spec = spec
        self._patient = patient
        self._environment = environment
        self._home = home
        self._variables = variables
        self._inherited = inherited
        self._markers = markers
        self._cache = cache
        self._prefix = prefix
        self._log = log
        self._phase = phase
        self._zygotes, self._activity = zygotes, activity
        self._confinement, self._gpu_memory = confinement, gpu_memory
        self._forked, self._how = False, ""
        self._shared: dict[str, str] = {}
        """The variables that it has in common with a zygote."""
        self._told = BootPhase.PROCESS
        self._setup_logs = Tail(TAIL)
        self._runtime_words = Tail(TAIL)
        self._group: Group
        self._instance: ProcessInstance | None = None
        self._ended: float | None = None
        """When its setup was seen to have ended, in the event loop's time."""
        self._unwell = ""
        """What the model's own health check said last, after its setup."""

    async def run(self) -> ProcessInstance:
        """Raises SetupFailed, PortTaken and Deaf; then, and when it is cancelled, nothing is left running."""
        reservation = Reservation()
        try:
            self._phase(BootPhase.PROCESS)
            group = await self._start(reservation.port)
            self._confinement.hold(group)
            self._group = group
            coglet = Coglet(HOST, reservation.port)
            # Somebody else may listen on that port and never answer.
            group.exited.add_done_callback(lambda _: coglet.close())
            try:
                await self._ready(group, coglet)
                group.drain()
                self._zygotes.learn(self._environment, self._shared, self._home.imports)
                self._instance = self._made(group, coglet)
            except BaseException:
                coglet.close()
                await group.end()
                raise
            return self._instance
        finally:
            reservation.release()
            if self._instance is None:
                self._confinement.unwatch()
                await asyncio.to_thread(self._confinement.release)

    async def _start(self, port: int) -> Group:
        spec, home = self._spec, self._home
        reference = spec.recipe.train if spec.train else spec.recipe.predict
        if reference is None:
            raise SetupFailed(f"cog.yaml of {spec.model} names no {'train' if spec.train else 'predict'} code.")
        variables = cog_instance.environment(
            self._environment,
            reference=reference,
            port=port,
            tmp=home.tmp,
            out=home.out,
            home=self._cache,
            train=spec.train,
            concurrency=slots(spec),
            host=HOST,
            weights=spec.recipe.weights,
            variables=spec.recipe.variables,
            operator=self._variables,
            inherited=self._inherited,
        )
        self._shared = shared(variables)
        zygote = self._zygotes.find(self._environment, self._shared)
        if self._zygotes.threshold:
            variables["HEARTH_IMPORTS"] = str(home.imports)
            variables["HEARTH_IMPORTS_OVER"] = str(self._zygotes.threshold)
        home.ready.unlink(missing_ok=True)  # of the attempt before
        variables["HEARTH_READY"] = str(home.ready)
        variables |= self._markers
        marker = f"HEARTH_INSTANCE={spec.id}"
        if zygote is not None:
            try:
                return await self._fork(zygote, variables, marker)
            except Refused as error:
                self._how = f"started, not forked: {error}"
                self._log(f"The libraries are imported anew: {error}")
                if error.broken:
                    self._zygotes.broken(zygote, error)
        else:
            self._how = self._zygotes.why_not(self._environment)
        return Group.start(
            cog_instance.command(self._environment),
            environment=variables,
            folder=home.source,
            marker=marker,
            on_line=self._printed,
        )

    async def _fork(self, zygote: Zygote, variables: Mapping[str, str], marker: str) -> Group:
        """Raises Refused."""
        home = self._home
        write_shim(home.shim)

        async def fork(pipes: Pipes) -> Forked:
            return await zygote.fork(
                pipes,
                cog_instance.command(self._environment),
                environment=variables,
                folder=home.source,
                shim=home.shim,
                markers=self._markers,
            )

        group = await Group.forked(fork, marker=marker, on_line=self._printed)
        self._zygotes.used(zygote)
        self._forked = True
        anew = self._zygotes.why_not(self._environment)
        self._how = "forked from a process with its libraries imported" + (f"; {anew}" if anew else "")
        return group

    def _made(self, group: Group, coglet: Coglet) -> ProcessInstance:
        return ProcessInstance(
            self._spec.id,
            slots=slots(self._spec),
            iterates=_iterates(self._spec),
            home=self._home,
            group=group,
            coglet=coglet,
            prefix=self._prefix,
            setup_logs=str(self._setup_logs),
            forked=self._forked,
            how=self._how,
            activity=self._activity,
            confinement=self._confinement,
            gpu_memory=self._gpu_memory,
        )

    def _printed(self, origin: Origin, text: str) -> None:
        if text.startswith(cog_boot.MARK):
            if self._instance is None:  # else coglet passed it on late
                self._tell(text.removeprefix(cog_boot.MARK).strip())
        elif self._instance is not None:
            self._instance.printed(origin, text)
        elif origin is Origin.RUNTIME:
            self._runtime_words.add(text)
        else:
            self._setup_logs.add(text)
            self._log(text.rstrip("\n"))

    def _tell(self, name: str) -> None:
        """What the wrapper tells, or a model that imitates it: in order, and each phase once."""
        order = list(BootPhase)
        if name in order and order.index(BootPhase(name)) > order.index(self._told):
            self._told = BootPhase(name)
            self._phase(self._told)

    async def _ready(self, group: Group, coglet: Coglet) -> None:
        limit = self._spec.setup_timeout
        try:
            async with asyncio.timeout(limit):
                await self._until_ready(group, coglet)
        except TimeoutError:
            group.drain()
            words = str(self._runtime_words)
            unwell = f", and its health check says: {self._unwell}" if self._unwell else ""
            raise self._failed(f"it took longer than {limit:g} seconds{unwell}", words) from None

    async def _until_ready(self, group: Group, coglet: Coglet) -> None:
        loop = asyncio.get_running_loop()
        began, unanswered, heard = loop.time(), 0, False
        while not group.exited.done():
            if not heard and self._ready_for(loop.time()) > LOST_AFTER and not self._patient:
                raise Deaf  # coglet has not heard of it, or does not answer at all
            heard = False
            with contextlib.suppress(InstanceLost, TimeoutError):  # it does not listen yet
                async with asyncio.timeout(CHECK_PATIENCE):
                    health = await coglet.health()
                # The one that waits in a forked group is the worker only once it has work.
                met = (not self._forked or self._told is not BootPhase.PROCESS) and group.meet_worker()
                if health.status == "SETUP_FAILED" or health.worker_dead:
                    reason = await _reason(group, health)
                    group.drain()
                    raise self._failed(reason)
                if health.accepts and met:
                    if health.fit:
                        return
                    self._unwell = health.user_healthcheck_error or health.status
                    unanswered = unanswered + 1 if health.unanswered else 0
                    if unanswered >= DEAF_AFTER and not self._patient:
                        raise Deaf
                    heard = True
            pause = min(max(_FIRST_PAUSE, (loop.time() - began) * _PACE), _LAST_PAUSE)
            await asyncio.wait([group.exited], timeout=pause)
        group.drain()
        if _PORT_TAKEN in str(self._runtime_words):
            raise PortTaken
        raise self._failed(f"its process {processes.ending(group.exited.result())}", str(self._runtime_words))

    def _ready_for(self, now: float) -> float:
        """Seconds since the setup was seen to have ended, as the model's own process tells it."""
        if self._ended is None and self._home.ready.exists():
            self._ended = now
        return 0.0 if self._ended is None else now - self._ended

    def _failed(self, reason: str, words: str = "") -> SetupFailed:
        """`words`: coglet's own, for when it is coglet that failed before the model could say anything."""
        ended = [done.result() for done in (self._group.worker, self._group.exited) if done.done()]
        shortage = self._confinement.shortage(ended[0] if ended else None)
        logs = str(self._setup_logs) or words
        return SetupFailed(f"The model's setup failed: {reason}", logs=logs, shortage=shortage)


def slots(spec: InstanceSpec) -> int:
    """coglet refuses more than one for a model that is not async; a training has an instance to itself."""
    return spec.recipe.concurrency if spec.recipe.is_async and not spec.train else 1


def _iterates(spec: InstanceSpec) -> bool:
    schemas = spec.schema.get("components", {}).get("schemas", {})
    output = schemas.get("TrainingOutput" if spec.train else "Output", {})
    return bool(output.get("x-cog-array-type") == "iterator")


async def _reason(group: Group, health: Health) -> str:
    """Why setup failed: how the worker ended, if it did, else what coglet says."""
    text = health.setup.logs.removeprefix("[coglet::setup] ").strip()
    if text == _WORKER_CRASHED or health.worker_dead:
        # coglet sees its pipes close, which is a moment before the process has ended.
        await asyncio.wait([group.worker], timeout=CRASH_PATIENCE)
        return f"its process {processes.ending(group.worker.result() if group.worker.done() else None)}"
    return _WRAPPING.sub("", text) or health.user_healthcheck_error or "coglet gave no reason"
