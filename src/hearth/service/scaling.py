"""What is kept warm of a model or deployment and when, how long its idle instances stay, how many may wait for it:
said by its owner."""

from __future__ import annotations

from typing import NamedTuple

from hearth.bus.base import Bus, ScalingChanged
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.scaling import LONGEST, MOST_WARM, SHORTEST, Scaling
from hearth.domain.schedule import ScheduleInvalid, parse
from hearth.errors import InvalidRequest, NotFound, Pointer
from hearth.service.deployments import Deployments
from hearth.service.models import Models
from hearth.store.base import Store


class Standing(NamedTuple):
    """What is wanted, and what follows from it now."""

    scaling: Scaling
    warm_now: int
    next_change: float | None
    because: str


class Scalings:
    def __init__(self, *, store: Store, bus: Bus, clock: Clock, models: Models, deployments: Deployments) -> None:
        self._store, self._bus, self._clock = store, bus, clock
        self._models, self._deployments = models, deployments

    async def of_model(self, caller: Account, owner: str, name: str) -> str:
        """The id, of a model that the caller may change: an own one, or any for an admin. Raises NotFound."""
        if caller.admin:
            found = await self._store.models.get(owner, name)
            if found is None:
                raise NotFound
            return found.id
        return (await self._models.own(caller, owner, name)).id

    async def of_deployment(self, caller: Account, owner: str, name: str) -> str:
        """The id, of a deployment that the caller may change: an own one, or any for an admin. Raises NotFound."""
        if caller.admin:
            found = await self._store.deployments.get(owner, name)
            if found is None:
                raise NotFound
            return found.id
        return (await self._deployments.get(caller, owner, name)).id

    async def get(self, target: str) -> Standing | None:
        """`target`: from one of the above. None: the server's own rules apply."""
        found = await self._store.scalings.get(target)
        return None if found is None else self._standing(found)

    async def put(
        self,
        caller: Account,
        target: str,
        *,
        warm: int = 0,
        schedule: str = "",
        zone: str = "UTC",
        version: str | None = None,
        idle_timeout: float | None = None,
        max_waiting: int | None = None,
    ) -> Standing:
        """In place of what was wanted before. Raises InvalidRequest with every wrong field."""
        errors: list[Pointer] = []
        if not 0 <= warm <= MOST_WARM:
            errors.append(Pointer("/warm", f"warm: must be between 0 and {MOST_WARM}"))
        if idle_timeout is not None and not SHORTEST <= idle_timeout <= LONGEST:
            detail = f"idle_timeout: must be between {SHORTEST:g} and {LONGEST:g} seconds"
            errors.append(Pointer("/idle_timeout", detail))
        if max_waiting is not None and max_waiting < 1:
            errors.append(Pointer("/max_waiting", "max_waiting: must be 1 or more"))
        schedule = " ".join(schedule.split())
        try:
            parse(schedule or "daily 0-24", zone)
        except ScheduleInvalid as error:
            errors.append(Pointer("/schedule", f"schedule: {error}"))
        if version is not None:
            found = await self._store.versions.get(version)
            if found is None or found.model_id != target:
                errors.append(Pointer("/version", "version: must be the id of a version of this model"))
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        scaling = Scaling(
            target=target,
            version=version,
            warm=warm,
            schedule=schedule,
            zone=zone,
            idle_timeout=idle_timeout,
            max_waiting=max_waiting,
            changed_at=self._clock.now(),
            changed_by=caller.username,
        )
        await self._store.scalings.put(scaling)
        self._bus.submit(ScalingChanged(target=target))
        return self._standing(scaling)

    async def remove(self, target: str) -> None:
        """From now on the server's own rules apply. Raises NotFound if nothing was wanted."""
        if not await self._store.scalings.remove(target):
            raise NotFound("Nothing is set here.")
        self._bus.submit(ScalingChanged(target=target))

    def _standing(self, scaling: Scaling) -> Standing:
        now = self._clock.now()
        return Standing(scaling, scaling.warm_at(now), scaling.next_change(now), scaling.sentence(now))
