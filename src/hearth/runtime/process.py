"""Instances as processes of this machine: coglet in an environment that uv built, in a private folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hearth.cog import config
from hearth.cog import instance as cog_instance
from hearth.cog.build import Environment, Environments
from hearth.domain.boot import BootPhase
from hearth.errors import HearthError, SetupFailed
from hearth.runtime import gpus, litter, processes
from hearth.runtime.activity import Activity
from hearth.runtime.base import InstanceSpec, Tell, Zygote
from hearth.runtime.boot import ATTEMPTS, DEAF_ATTEMPTS, Boot, Deaf, PortTaken
from hearth.runtime.group import END_PATIENCE
from hearth.runtime.home import Home
from hearth.runtime.instance import ProcessInstance
from hearth.runtime.limits import Enforcer, InstanceLimits
from hearth.runtime.owner import RUN, SERVER, Owner
from hearth.runtime.processes import Process
from hearth.runtime.shortcuts import Shortcuts
from hearth.runtime.warming import Warming
from hearth.runtime.zygotes import Zygotes


class ProcessRuntime:
    """A `Runtime`. Instances live below `root`, caches of downloaded weights below `cache`, which all share.

    `owner` (default: by `root`) lets `sweep` know what an earlier run of this server left: give the builds the
    same one. `environ` is the platform's own environment; of it a model sees certificates, proxies, locale
    and devices. `variables` are the operator's, for every model. `limits` are each instance's.
    """

    def __init__(
        self,
        root: Path,
        environments: Environments,
        *,
        environ: Mapping[str, str],
        cache: Path | None = None,
        variables: Mapping[str, str] | None = None,
        owner: Owner | None = None,
        zygote_after: float = 0.0,
        zygote_idle: float = 1800.0,
        limits: InstanceLimits | None = None,
    ) -> None:
        self._root = root.absolute()
        self._environments = environments
        self._inherited = cog_instance.passed(environ)
        self._cache = (cache or root / "home").absolute()
        self._variables = variables or {}
        self._owner = owner or Owner.of(self._root)
        self._instances = self._root / "instances"
        self._own = self._instances / self._owner.run
        self._shortcuts = Shortcuts(self._root, self._owner)
        self._enforcer = Enforcer.detect(limits or InstanceLimits(), self._owner.server[:12])
        self._gpu_memory = gpus.reader()
        self._activity = Activity()
        self._zygotes = Zygotes(
            self._own / ".zygotes",
            markers=self._owner.markers,
            threshold=zygote_after,
            idle=zygote_idle,
            activity=self._activity,
        )

    async def start(
        self, spec: InstanceSpec, log: Callable[[str], None], phase: Tell = lambda phase: None
    ) -> ProcessInstance:
        with self._activity.booting():
            return await self._start(spec, log, phase)

    async def _start(self, spec: InstanceSpec, log: Callable[[str], None], phase: Tell) -> ProcessInstance:
        phase(BootPhase.ENVIRONMENT)
        environment = await self._environment(spec, log)
        home = Home(self._own / spec.id, self._shortcuts)
        warming = None
        try:
            await home.furnish(spec.folder, lambda: self._write_schema(home, spec))
            warming = Warming.start(home.source, *_trained(spec))
            deaf = 0
            for _ in range(ATTEMPTS):
                try:
                    return await self._boot(spec, environment, home, log, phase, patient=deaf == DEAF_ATTEMPTS).run()
                except PortTaken:
                    continue
                except Deaf:
                    deaf += 1
                    log("The model's process does not answer after its setup; it is started again")
            raise SetupFailed(f"No free port was found in {ATTEMPTS} attempts.")
        except BaseException:
            await asyncio.to_thread(home.remove)
            raise
        finally:
            if warming is not None:
                warming.stop()

    async def sweep(self) -> int:
        return await asyncio.to_thread(self._sweep)

    def zygotes(self) -> Sequence[Zygote]:
        return self._zygotes.list()

    async def zygotes_settled(self) -> None:
        """Once none is being made."""
        await self._zygotes.settled()

    async def end_zygote(self, id: str) -> None:
        await self._zygotes.end(id)

    async def close(self) -> None:
        await self._zygotes.close()

    async def _environment(self, spec: InstanceSpec, log: Callable[[str], None]) -> Environment:
        """The version's environment; made anew on a machine that does not have it."""
        found = await self._environments.use(spec.recipe.environment)
        if found is not None:
            return found
        log("The environment is not on this machine; it is built again")
        try:
            made = await self._environments.prepare(config.load(spec.folder), workdir=spec.folder, log=log)
        except HearthError as error:
            raise SetupFailed(f"The environment could not be built again: {error.message}", hint=error.hint) from error
        if made.key != spec.recipe.environment:
            raise SetupFailed(
                "The environment is gone, and the requirements now resolve to other packages.",
                hint="Push the model again, or pin its requirements.",
            )
        return made

    def _write_schema(self, home: Home, spec: InstanceSpec) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        (home.source / cog_instance.SCHEMA_FILE).unlink(missing_ok=True)
        batched = spec.recipe.batching.inputs if spec.recipe.batching else ()
        cog_instance.write_schema(home.source, spec.schema, train=spec.train, batched=batched)

    def _boot(
        self,
        spec: InstanceSpec,
        environment: Environment,
        home: Home,
        log: Callable[[str], None],
        phase: Tell,
        *,
        patient: bool,
    ) -> Boot:
        return Boot(
            spec,
            environment,
            home,
            variables={**self._variables, **spec.variables},
            inherited=self._inherited,
            markers={**self._owner.markers, "HEARTH_INSTANCE": spec.id},
            cache=self._cache,
            prefix=self._owner.run_prefix,
            log=log,
            phase=phase,
            zygotes=self._zygotes,
            activity=self._activity,
            confinement=self._enforcer.confine(spec.id),
            gpu_memory=self._gpu_memory,
            patient=patient,
        )

    def _sweep(self) -> int:
        killed = processes.kill_all(self._left_behind, END_PATIENCE)
        self._enforcer.sweep()
        self._environments.sweep()
        if self._instances.exists():
            for run in self._instances.iterdir():
                if run != self._own:
                    Home(run).remove()
        self._shortcuts.sweep()
        litter.remove_all(self._owner.server_prefix, but=self._owner.run_prefix)
        return killed

    def _left_behind(self) -> list[Process]:
        """Processes with our server's marker, and their descendants, but none of this run."""
        table = processes.table()
        ours = f"{RUN}={self._owner.run}"
        others = {
            pid
            for pid, text in processes.marked(f"{SERVER}={self._owner.server}").items()
            if ours not in text.replace("\0", " ").split()
        }
        family = set[int]().union(*(processes.descendants(table, pid) for pid in others))
        return [process for pid, process in table.items() if pid in others | family]


def _trained(spec: InstanceSpec) -> list[Path]:
    """The file of trained weights, if it is one on this disk: it may be any text that a setup understands."""
    weights = spec.recipe.weights
    return [Path(weights)] if weights and os.path.isabs(weights) else []
