"""The scheduler from outside: what admins may see of it, and ask of it. Everything here is refused to others as if it
did not exist."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.bus.base import BootInstance, Bus, Desk, PauseEngine, ResumeEngine, StopInstance
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.decision import KEPT, Decided
from hearth.domain.instance import InstanceView
from hearth.domain.lane import Lane, of_version
from hearth.domain.model import Version
from hearth.domain.overview import LaneView, Overview
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer, Unavailable
from hearth.store.base import Store


class Admin:
    def __init__(self, *, store: Store, bus: Bus, clock: Clock) -> None:
        self._store, self._bus, self._clock = store, bus, clock

    # What there is

    def overview(self, caller: Account) -> Overview:
        """Raises NotFound; Unavailable if no engine runs in this process."""
        return self._desk(caller).overview()

    def decisions(self, caller: Account, last: int = 100) -> Sequence[Decided]:
        """What was decided lately, newest first. Raises NotFound, Unavailable, InvalidRequest."""
        if not 1 <= last <= KEPT:
            raise InvalidRequest(errors=(Pointer("/last", f"last: must be between 1 and {KEPT}"),))
        return self._desk(caller).decisions(last)

    def instances(self, caller: Account) -> Sequence[InstanceView]:
        """Raises NotFound."""
        _admit(caller)
        return self._bus.instances()

    def instance(self, caller: Account, id: str) -> InstanceView:
        """Raises NotFound, also for one that has ended."""
        for view in self.instances(caller):
            if view.id == id:
                return view
        raise NotFound(f"There is no instance {id}; it may have ended.")

    # What is asked of it

    def stop(self, caller: Account, id: str) -> None:
        """End an instance. What runs on it runs again elsewhere, unless it has delivered output: then it fails.
        Raises NotFound."""
        view = self.instance(caller, id)
        self._bus.submit(StopInstance(instance_id=view.id, because=f"{caller.username} stopped it"))

    async def boot(
        self, caller: Account, *, model: str | None = None, version: str | None = None, deployment: str | None = None
    ) -> LaneView:
        """One more instance, whether anybody waits or not: of a version (by default the model's latest), or of a
        deployment. It ends by being idle, as any other. The lane as it is then: its sentence says whether there is
        room. Raises NotFound, InvalidRequest, Unavailable, and Conflict where there are as many as there may be."""
        desk = self._desk(caller)
        if (model is None) == (deployment is None):
            detail = 'model: name a model or a deployment, as "owner/name"'
            raise InvalidRequest(errors=(Pointer("/model", detail),))
        if (paused := desk.overview().paused) is not None:
            raise Unavailable(f"The server is paused: {paused}.", hint="Go on with: hearth resume")
        found, lane = await (self._of_model(model, version) if model else self._of_deployment(deployment or ""))
        before = _lane(desk, lane.key)
        if before is not None and before.ready + before.booting >= before.maximum:
            count = before.ready + before.booting
            running = "One instance" if count == 1 else f"{count} instances"
            raise Conflict(
                f"{running} of {found.model} {'runs' if count == 1 else 'run'} already, as many as may.",
                hint="Raise max_instances of the deployment, or max_instances_per_version of the server.",
            )
        self._bus.submit(BootInstance(version=found, lane=lane))
        after = _lane(desk, lane.key)
        if after is None:
            raise Unavailable("The server is stopping: nothing boots.")
        return after

    def pause(self, caller: Account, because: str = "") -> Overview:
        """Start nothing new until `resume`; what runs goes on, and what comes waits. A restart resumes."""
        desk = self._desk(caller)
        self._bus.submit(PauseEngine(because=because.strip() or f"{caller.username} paused it"))
        return desk.overview()

    def resume(self, caller: Account) -> Overview:
        desk = self._desk(caller)
        self._bus.submit(ResumeEngine())
        return desk.overview()

    async def _of_model(self, model: str, version_id: str | None) -> tuple[Version, Lane]:
        owner, _, name = model.partition("/")
        found = await self._store.models.get(owner, name)
        wanted = None if found is None else version_id or found.latest_version_id
        version = await self._store.versions.get(wanted) if wanted else None
        if found is None or version is None or version.model_id != found.id:
            raise NotFound(f"There is no such version of {model}." if found else f"There is no model {model}.")
        return version, of_version(version.id, found.hardware)

    async def _of_deployment(self, deployment: str) -> tuple[Version, Lane]:
        owner, _, name = deployment.partition("/")
        found = await self._store.deployments.get(owner, name)
        version = None if found is None else await self._store.versions.get(found.route.version)
        if found is None or version is None:
            raise NotFound(f"There is no deployment {deployment}.")
        if found.current.max_instances == 0:
            raise Conflict(f"The deployment {deployment} is disabled: its max_instances is 0.")
        return version, found.lane(found.route)

    def _desk(self, caller: Account) -> Desk:
        _admit(caller)
        if self._bus.desk is None:
            raise Unavailable("No engine runs in this process.", hint="Ask a server that runs one.")
        return self._bus.desk


def _admit(caller: Account) -> None:
    if not caller.admin:
        raise NotFound


def _lane(desk: Desk, key: str) -> LaneView | None:
    return next((lane for lane in desk.overview().lanes if lane.key == key), None)
