"""Which version a request means. Every form that a client may send is read here and nowhere else.

Sources: client-contract.md 7.2, model-catalog.md section 1. Owner and name do not reach the server when a
client is asked for `owner/name:latest`; then the input keys must tell the model, and a guess is never made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from hearth import ids
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.model import Model, Version, Visibility
from hearth.domain.schema import InputSchema
from hearth.errors import InvalidVersion, NotFound
from hearth.service.cache import Cache
from hearth.store.base import Store

LATEST = "latest"
_NAMED = re.compile(r"([^/:\s]+)/([^/:\s]+)(?::([^/:\s]+))?")
_SHOWN = 10
"""Candidates that an error names."""


class Resolved(NamedTuple):
    model: Model
    version: Version
    schema: InputSchema


class Reference(NamedTuple):
    """`owner/name`, `owner/name:id`, a bare id, or a bare `latest`."""

    owner: str | None
    name: str | None
    version: str


def parse_reference(text: str) -> Reference:
    """Raises InvalidVersion for what is no reference at all."""
    if text == LATEST or ids.VERSION_ID.fullmatch(text):
        return Reference(None, None, text)
    found = _NAMED.fullmatch(text)
    if found is None:
        raise InvalidVersion(hint='Use "owner/name", "owner/name:<version id>" or a version id of 64 hex digits.')
    return Reference(found[1], found[2], found[3] or LATEST)


def visible(model: Model, caller: Account) -> bool:
    return model.visibility is Visibility.PUBLIC or model.account_id == caller.id


class Resolver:
    """Versions never change and are kept; models and their latest version are believed for `ttl` seconds,
    or until `forget` is called in this process."""

    def __init__(self, *, store: Store, clock: Clock, ttl: float = 1.0, capacity: int = 512) -> None:
        self._store = store
        self._versions: Cache[str, tuple[Version, InputSchema]] = Cache(clock, capacity)
        self._models: Cache[tuple[str, str], Model] = Cache(clock, capacity, ttl)
        self._latest: Cache[str, list[Resolved]] = Cache(clock, 64, ttl)

    async def resolve(
        self,
        caller: Account,
        *,
        version: str | None = None,
        model: tuple[str, str] | None = None,
        input: Any = None,
    ) -> Resolved:
        """With `model` (the door of a model) a `version` that leads elsewhere is ignored.

        Raises InvalidVersion, or NotFound for a model door that leads nowhere.
        """
        if model is not None:
            return await self._at_the_door(caller, model, version)
        if version is None:
            raise InvalidVersion(hint='Send "version": "owner/name" or a version id.')
        owner, name, wanted = parse_reference(version)
        if owner is not None and name is not None:
            found = await self.model(owner, name)
            if found is None or not visible(found, caller):
                raise InvalidVersion
            return await self._of_model(found, wanted)
        if wanted == LATEST:
            return await self._by_input(caller, input)
        known = await self._version(wanted)
        if known is None:
            raise InvalidVersion
        owner, _, name = known[0].model.partition("/")
        found = await self.model(owner, name)
        if found is None or not visible(found, caller):
            raise InvalidVersion
        return Resolved(found, *known)

    async def model(self, owner: str, name: str) -> Model | None:
        """A model as it was at most `ttl` seconds ago, whoever may see it."""
        found = self._models.get((owner, name))
        if found is None:
            found = await self._store.models.get(owner, name)
            if found is not None:
                self._models.put((owner, name), found)
        return found

    async def version(self, id: str) -> Version | None:
        found = await self._version(id)
        return found[0] if found else None

    async def versions(self, ids: Iterable[str]) -> dict[str, Version]:
        """Several at once, by id; those that do not exist are left out."""
        found, missing = {}, []
        for id in set(ids):
            known = self._versions.get(id)
            if known is None:
                missing.append(id)
            else:
                found[id] = known[0]
        if missing:
            for id, version in (await self._store.versions.many(missing)).items():
                found[id] = self._keep(version)[0]
        return found

    def forget_version(self, id: str) -> None:
        """It has been deleted."""
        self._versions.drop(id)
        self._latest.clear()

    def forget(self, owner: str, name: str) -> None:
        """The model has changed, or has a new version."""
        self._models.drop((owner, name))
        self._latest.clear()

    async def _version(self, id: str) -> tuple[Version, InputSchema] | None:
        known = self._versions.get(id)
        if known is None:
            version = await self._store.versions.get(id)
            if version is None:
                return None
            known = self._keep(version)
        return known

    def _keep(self, version: Version) -> tuple[Version, InputSchema]:
        known = self._versions.get(version.id)
        if known is None:
            known = (version, InputSchema.parse(version.openapi_schema))
            self._versions.put(version.id, known)
        return known

    async def _of_model(self, model: Model, wanted: str) -> Resolved:
        id = model.latest_version_id if wanted == LATEST else wanted
        if id is None:
            raise InvalidVersion(
                f"The model {model.full_name} has no version yet.", hint=f"Make one: hearth push DIR {model.full_name}"
            )
        known = await self._version(id) if ids.VERSION_ID.fullmatch(id) else None
        if known is None or known[0].model_id != model.id:
            raise InvalidVersion
        return Resolved(model, *known)

    async def _at_the_door(self, caller: Account, model: tuple[str, str], version: str | None) -> Resolved:
        owner = model[0]
        name, _, wanted = model[1].partition(":")
        found = await self.model(owner, name)
        if found is None or not visible(found, caller):
            raise NotFound
        if not wanted and version is not None:
            try:
                sent = parse_reference(version)
                if (sent.owner, sent.name) in ((None, None), (owner, name)):
                    return await self._of_model(found, sent.version)
            except InvalidVersion:
                pass  # guides send versions of the hosted models here: the model of the path is meant
        return await self._of_model(found, wanted or LATEST)

    async def latest(self, caller: Account) -> list[Resolved]:
        """The newest version of every model that the caller may run; at most `ttl` seconds old."""
        candidates = self._latest.get(caller.id)
        if candidates is None:
            rows = await self._store.versions.latest_visible(caller.id)
            candidates = [Resolved(model, *self._keep(version)) for model, version in rows]
            self._latest.put(caller.id, candidates)
        return candidates

    async def _by_input(self, caller: Account, input: Any) -> Resolved:
        candidates = await self.latest(caller)
        if len(candidates) == 1:
            return candidates[0]
        fitting = [c for c in candidates if c.schema.accepts(input)]
        if fitting:
            top = max(c.model.priority for c in fitting)
            best = [c for c in fitting if c.model.priority == top]
            if len(best) == 1:
                return best[0]
            raise InvalidVersion(_ambiguous(f"{len(best)} models fit this input", best), hint=_NAME_IT)
        raise InvalidVersion(_ambiguous("no model fits this input exactly", candidates), hint=_NAME_IT)


_NAME_IT = 'Use "owner/name" or "owner/name:<version id>".'


def _ambiguous(why: str, candidates: list[Resolved]) -> str:
    names = sorted(c.model.full_name for c in candidates)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    told = f" ({'candidates: ' + shown if shown else 'there is no model with a version yet'})"
    return f'The client sent only the version "latest", without the model\'s name, and {why}{told}. {_NAME_IT}'
