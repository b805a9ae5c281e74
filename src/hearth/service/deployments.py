"""Deployments: what their owner wants to run. What runs is the engine's business, which hears of every change."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from typing import Any

from hearth import ids
from hearth.bus.base import Bus, DeploymentChanged
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.deployment import CHANGEABLE, MOST_MAX, MOST_MIN, Deployment, Release
from hearth.domain.model import MOST_BATCH_SIZE, MOST_BATCH_WAIT
from hearth.errors import Conflict, InvalidRequest, InvalidVersion, NotFound, Pointer
from hearth.service.cache import Cache
from hearth.service.models import MAX_NAME
from hearth.service.versions import Resolver, visible
from hearth.store.base import Cursor, Page, Store

_MODEL = re.compile(r"([^/:\s]+)/([^/:\s]+)")


class Deployments:
    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        versions: Resolver,
        clock: Clock,
        skus: Callable[[], Collection[str]],
        quiet: float = 900.0,
        ttl: float = 1.0,
    ) -> None:
        """`skus`: the hardware there is; `quiet`: seconds that a deployment must have been unused to be deleted;
        `ttl`: seconds for which a route is believed."""
        self._store, self._bus, self._versions, self._clock = store, bus, versions, clock
        self._skus, self._quiet = skus, quiet
        self._routes: Cache[tuple[str, str], Deployment] = Cache(clock, 512, ttl)

    async def create(
        self,
        caller: Account,
        *,
        name: str,
        model: str,
        version: str,
        hardware: str,
        min_instances: int,
        max_instances: int,
        batch_size: int | None = None,
        batch_wait: float | None = None,
    ) -> Deployment:
        """Raises InvalidRequest with every wrong field, and Conflict on a taken name."""
        owner, slash, bare = name.rpartition("/")  # some clients send `owner/name`
        errors: list[Pointer] = []
        if slash and owner != caller.username:
            errors.append(Pointer("/name", f"name: deployments belong to {caller.username}, the account of the token"))
        elif not ids.NAME.fullmatch(bare) or len(bare) > MAX_NAME:
            rule = "use lower-case letters and digits, with single - . _ between them"
            errors.append(Pointer("/name", f"name: {rule}, at most {MAX_NAME} characters"))
        errors += self._bounds(hardware, min_instances, max_instances)
        found = await self._version(caller, model, version, errors)
        await self._grouping(found, batch_size, batch_wait, errors)
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        now = self._clock.now()
        release = Release(
            number=1,
            model=model,
            version=found,
            hardware=hardware,
            min_instances=min_instances,
            max_instances=max_instances,
            batch_size=batch_size,
            batch_wait=batch_wait,
            created_at=now,
            created_by=caller.username,
        )
        deployment = Deployment(
            id=ids.sortable(),
            account_id=caller.id,
            owner=caller.username,
            name=bare,
            created_at=now,
            current=release,
        ).with_release(release)
        try:
            await self._store.deployments.create(deployment)
        except Conflict:
            raise Conflict("A deployment with that name and owner already exists.") from None
        self._changed(deployment)
        return deployment

    async def update(self, caller: Account, owner: str, name: str, fields: dict[str, Any]) -> Deployment:
        """A new release if anything changes, else the deployment as it is. `fields`: any of version, hardware,
        min_instances, max_instances; `model` may be named, not changed. Raises NotFound, InvalidRequest, and
        Conflict if somebody else changed it at the same time."""
        deployment = await self.get(caller, owner, name)
        current, errors = deployment.current, list[Pointer]()
        wanted = dict(fields)
        if wanted.pop("model", current.model) != current.model:
            detail = f"model: is {current.model} and cannot be changed; create another deployment"
            errors.append(Pointer("/model", detail))
        hardware = wanted.get("hardware", current.hardware)
        least = wanted.get("min_instances", current.min_instances)
        most = wanted.get("max_instances", current.max_instances)
        errors += self._bounds(hardware, least, most, named=set(wanted))
        if "version" in wanted:
            wanted["version"] = await self._version(caller, current.model, wanted["version"], errors)
        version = wanted.get("version", current.version)
        await self._grouping(version, wanted.get("batch_size"), wanted.get("batch_wait"), errors)
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        changed = deployment.changed(wanted, at=self._clock.now(), by=caller.username)
        if changed is None:
            return deployment
        if not await self._store.deployments.release(changed):
            raise Conflict("The deployment was changed by somebody else at the same time; try again.")
        self._changed(changed)
        return changed

    async def get(self, caller: Account, owner: str, name: str) -> Deployment:
        """As stored. Raises NotFound; other people's deployments do not exist."""
        found = await self._store.deployments.get(owner, name)
        if found is None or found.account_id != caller.id:
            raise NotFound
        return found

    async def releases(self, caller: Account, owner: str, name: str) -> list[Release]:
        """The latest hundred, newest first. Raises NotFound."""
        return await self._store.deployments.releases((await self.get(caller, owner, name)).id)

    async def roll_back(self, caller: Account, owner: str, name: str, number: int) -> Deployment:
        """As it was at that release: a new release with its version, hardware and bounds. Raises NotFound, and
        whatever `update` raises."""
        deployment = await self.get(caller, owner, name)
        release = await self._store.deployments.release_of(deployment.id, number)
        if release is None:
            raise NotFound(f"There is no release {number} of {deployment.full_name}.")
        return await self.update(caller, owner, name, {field: getattr(release, field) for field in CHANGEABLE})

    async def page(self, caller: Account, cursor: Cursor | None = None, *, limit: int = 100) -> Page[Deployment]:
        """The caller's, newest first."""
        return await self._store.deployments.page(caller.id, limit=limit, cursor=cursor)

    async def delete(self, caller: Account, owner: str, name: str) -> None:
        """Raises NotFound, and Conflict, with the rule, for one that is online or was used lately."""
        deployment = await self.get(caller, owner, name)
        rule = f"A deployment can be deleted once it has been offline and unused for {_about(self._quiet)}"
        running = sum(1 for instance in self._bus.instances() if instance.deployment == deployment.full_name)
        if deployment.current.max_instances and (running or deployment.current.min_instances):
            count, verb = (running, "runs") if running else (deployment.current.min_instances, "keeps")
            raise Conflict(
                f"{rule}; it {verb} {count} {'instance' if count == 1 else 'instances'}.",
                hint="Set min_instances and max_instances to 0 to take it offline.",
            )
        used = await self._store.deployments.last_used(deployment.full_name)
        if used is not None and (left := used + self._quiet - self._clock.now()) > 0:
            when = "has predictions that have not ended" if used == math.inf else f"can be in {_about(left)}"
            raise Conflict(f"{rule}; it {when}.")
        await self._store.deployments.delete(deployment.id)
        self._changed(deployment)

    async def route(self, caller: Account, owner: str, name: str) -> Deployment:
        """For a prediction; at most `ttl` seconds old. Raises NotFound, and Conflict if it is disabled."""
        found = self._routes.get((owner, name))
        if found is None:
            found = await self.get(caller, owner, name)
            self._routes.put((owner, name), found)
        elif found.account_id != caller.id:
            raise NotFound
        if found.current.max_instances == 0:
            raise Conflict(
                f"The deployment {found.full_name} is disabled: its max_instances is 0.",
                hint="Set max_instances to 1 or more to enable it.",
            )
        return found

    def _changed(self, deployment: Deployment) -> None:
        self._routes.drop((deployment.owner, deployment.name))
        self._bus.submit(DeploymentChanged(deployment_id=deployment.id, deployment=deployment.full_name))

    def _bounds(self, hardware: str, least: int, most: int, *, named: Collection[str] = ()) -> list[Pointer]:
        """`named`: the fields that the caller sent, if not all; a wrong sum of both is laid to one of them."""
        errors: list[Pointer] = []
        skus = self._skus()
        if hardware not in skus and (not named or "hardware" in named):
            options = ", ".join(skus)
            detail = f"hardware: {hardware} is not a valid hardware SKU. Your options are: {options}"
            errors.append(Pointer("/hardware", detail))
        if not 0 <= least <= MOST_MIN:
            errors.append(Pointer("/min_instances", f"min_instances: must be between 0 and {MOST_MIN}"))
        if not 0 <= most <= MOST_MAX:
            errors.append(Pointer("/max_instances", f"max_instances: must be between 0 and {MOST_MAX}"))
        elif least > most:
            field = "max_instances" if named and "min_instances" not in named else "min_instances"
            detail = f"{field}: min_instances is {least}, more than max_instances, which is {most}"
            errors.append(Pointer(f"/{field}", detail))
        return errors

    async def _grouping(self, version: str, size: int | None, wait: float | None, errors: list[Pointer]) -> None:
        """What is wrong with how predictions are to be grouped is added to `errors`."""
        if size is not None and not 1 <= size <= MOST_BATCH_SIZE:
            errors.append(Pointer("/batch_size", f"batch_size: must be between 1 and {MOST_BATCH_SIZE}"))
        if wait is not None and not 0 <= wait <= MOST_BATCH_WAIT:
            errors.append(Pointer("/batch_wait", f"batch_wait: must be between 0 and {MOST_BATCH_WAIT:g} seconds"))
        if (size is None and wait is None) or not version:
            return
        found = await self._versions.version(version)
        if found is not None and found.recipe.batching is None:
            field = "batch_wait" if size is None else "batch_size"
            detail = f"{field}: this version does not group predictions; its hearth.yaml has no `batching`"
            errors.append(Pointer(f"/{field}", detail))

    async def _version(self, caller: Account, model: str, version: str, errors: list[Pointer]) -> str:
        """The id of `<id>`, `latest` or either behind `owner/name:`; what is wrong is added to `errors`."""
        named = _MODEL.fullmatch(model)
        found = await self._versions.model(named[1], named[2]) if named else None
        if found is None or not visible(found, caller):
            errors.append(Pointer("/model", 'model: must be the "owner/name" of a model that you may run'))
            return ""
        try:
            text = version if version == model or version.startswith(f"{model}:") else f"{model}:{version}"
            return (await self._versions.resolve(caller, version=text)).version.id
        except InvalidVersion:
            detail = f'version: must be the id of a version of {model}, 64 hex digits, or "latest"'
            errors.append(Pointer("/version", detail))
            return ""


def _about(seconds: float) -> str:
    if seconds >= 90:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds:.0f} seconds" if seconds > 1 else "a second"
