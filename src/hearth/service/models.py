"""Models and their versions, as callers may see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.bus.base import Bus, ResetVersion, VersionDeleted
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.breakdown import Breakdown
from hearth.domain.catalog import ModelOrder
from hearth.domain.file import parse_reference
from hearth.domain.hardware import CPU, Hardware
from hearth.domain.model import Model, Version, Visibility
from hearth.domain.prediction import Prediction
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer
from hearth.service.versions import LATEST, Resolver, visible
from hearth.store.base import Cursor, Page, Store

MAX_NAME = 200
MAX_TEXT = 10_000
MAX_VERSIONS = 1000
"""The newest ones, among which a version is found by the beginning of its id."""
SHORTEST_ID = 8
MAX_README = 512 * 1024
_URLS = ("github_url", "paper_url", "license_url", "cover_image_url")
UPDATABLE = ("description", "readme", "github_url", "paper_url", "weights_url", "license_url")


class Shown(NamedTuple):
    """A model with what its JSON embeds."""

    model: Model
    latest: Version | None
    example: Prediction | None
    """The default one."""


class Models:
    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        bus: Bus,
        versions: Resolver,
        clock: Clock,
        hardware: Sequence[Hardware] = CPU,
        max_models: int = 1000,
    ) -> None:
        """`hardware`: what there is to choose from; `max_models`: of one account (replicate-platform.md 7.2)."""
        self._store = store
        self._blobs = blobs
        self._bus = bus
        self._versions = versions
        self._clock = clock
        self.hardware = tuple(hardware)
        self._max_models = max_models

    async def create(
        self,
        caller: Account,
        *,
        owner: str,
        name: str,
        visibility: str,
        hardware: str,
        description: str | None = None,
        github_url: str | None = None,
        paper_url: str | None = None,
        license_url: str | None = None,
        cover_image_url: str | None = None,
    ) -> Model:
        """Raises InvalidRequest with every wrong field, and Conflict on a taken name or too many models."""
        urls = dict(zip(_URLS, (github_url, paper_url, license_url, cover_image_url), strict=True))
        errors = [*_check_name(name), *_check_visibility(visibility)]
        if owner != caller.username:
            errors.append(Pointer("/owner", f"owner: must be {caller.username}, the account of the token"))
        if all(hardware != known.sku for known in self.hardware):
            options = ", ".join(known.sku for known in self.hardware)
            detail = f"hardware: {hardware[:MAX_NAME]} is not a valid hardware SKU. Your options are: {options}"
            errors.append(Pointer("/hardware", detail))
        errors += _check_about({"description": description, **urls})
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        model = Model(
            id=ids.sortable(),
            account_id=caller.id,
            owner=owner,
            name=name,
            created_at=self._clock.now(),
            visibility=Visibility(visibility),
            hardware=hardware,
            description=description or None,
            github_url=github_url or None,
            paper_url=paper_url or None,
            license_url=license_url or None,
            cover_image_url=cover_image_url or None,
        )
        await self._add(model)
        return model

    async def ensure(self, caller: Account, owner: str, name: str, *, visibility: str | None = None) -> Model:
        """The model a push goes to, made if it is not there. Raises NotFound for an owner that does not exist.

        Without a `visibility` it is private, unless the hearth.yaml of its first version says otherwise.
        """
        errors = [*_check_name(name), *([] if visibility is None else _check_visibility(visibility))]
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        account = caller if owner == caller.username else await self._store.accounts.by_username(owner)
        if account is None:
            raise NotFound(f"There is no account {owner}.")
        model = Model(
            id=ids.sortable(),
            account_id=account.id,
            owner=owner,
            name=name,
            created_at=self._clock.now(),
            visibility=Visibility(visibility or Visibility.PRIVATE),
            undecided=("hardware",) if visibility else ("visibility", "hardware"),
        )
        try:
            await self._add(model)
        except Conflict:
            found = await self._store.models.get(owner, name)
            if found is None:
                raise
            return found
        return model

    async def update(self, caller: Account, owner: str, name: str, fields: dict[str, Any]) -> Model:
        """`fields`: any of UPDATABLE; None and empty text clear one. Raises NotFound, InvalidRequest."""
        model = await self.own(caller, owner, name)
        if errors := _check_about(fields):
            raise InvalidRequest(errors=tuple(errors))
        updated = await self._store.models.update(model.id, {field: text or None for field, text in fields.items()})
        if updated is None:
            raise NotFound
        self.changed(model)
        return updated

    async def delete(self, caller: Account, owner: str, name: str) -> None:
        """A private model without versions (replicate-platform.md 7.6). Raises NotFound, Conflict."""
        model = await self.own(caller, owner, name)
        if model.visibility is not Visibility.PRIVATE:
            raise Conflict(f"The model {model.full_name} is public. Only private models can be deleted.")
        if not await self._store.models.delete(model.id, unused=True):
            raise Conflict(
                f"The model {model.full_name} has versions. Only models without versions can be deleted.",
                hint="Delete its versions first.",
            )
        self.changed(model)
        picture = parse_reference(model.cover_image_url or "")
        file = await self._store.files.get(picture[0]) if picture else None
        if file is not None:
            await self._blobs.delete([file.key])
            await self._store.files.delete([file.id])

    async def delete_version(self, caller: Account, owner: str, name: str, id: str) -> None:
        """It is gone at once; the engine removes what is left of it. Raises NotFound, and Conflict with the rule
        that stands against it (replicate-platform.md 7.6)."""
        model = await self.own(caller, owner, name)
        version = await self.version(caller, owner, name, id)
        if model.visibility is not Visibility.PRIVATE:
            raise Conflict(f"The model {model.full_name} is public. Only versions of private models can be deleted.")
        uses = await self._store.versions.uses(version.id, model.account_id)
        if uses.by_others:
            raise Conflict("Someone else has run predictions with this version, so it cannot be deleted.")
        if uses.by_trainings:
            raise Conflict("This version is the base of a training, so it cannot be deleted.")
        if uses.by_deployments:
            raise Conflict("A deployment uses this version, so it cannot be deleted.")
        deleted = await self._store.versions.delete(version.id, self._clock.now())
        self._versions.forget_version(version.id)
        self.changed(model)
        if not deleted:
            raise NotFound
        self._bus.submit(VersionDeleted(version_id=version.id))

    async def own(self, caller: Account, owner: str, name: str) -> Model:
        """A model of the caller's. Raises NotFound."""
        model = await self._store.models.get(owner, name)
        if model is None or model.account_id != caller.id:
            raise NotFound
        return model

    async def readme(self, caller: Account, owner: str, name: str) -> str:
        """Raises NotFound, also for a model without one."""
        model = await self.get(caller, owner, name)
        if not model.readme:
            raise NotFound
        return model.readme

    async def embed(self, models: Sequence[Model]) -> list[Shown]:
        """With their latest versions and default examples, however many they are, in one read of each."""
        versions = await self._versions.versions(m.latest_version_id for m in models if m.latest_version_id)
        wanted = [m.default_example_id for m in models if m.default_example_id]
        examples = await self._store.predictions.many(wanted) if wanted else {}
        public = {id: without_webhook(example) for id, example in examples.items()}
        return [
            Shown(m, versions.get(m.latest_version_id or ""), public.get(m.default_example_id or "")) for m in models
        ]

    def changed(self, model: Model) -> None:
        """What this process remembers of it is out of date."""
        self.forget(model.owner, model.name)

    def forget(self, owner: str, name: str) -> None:
        """As `changed`, by name."""
        self._versions.forget(owner, name)

    async def get(self, caller: Account, owner: str, name: str) -> Model:
        """As stored, not from a cache. Raises NotFound."""
        model = await self._store.models.get(owner, name)
        if model is None or not visible(model, caller):
            raise NotFound
        return model

    async def page(
        self,
        cursor: Cursor | None = None,
        *,
        by: ModelOrder = ModelOrder.PUSHED,
        ascending: bool = False,
        limit: int = 25,
    ) -> Page[Model]:
        """The ones worth showing: public, with a version and an example."""
        return await self._store.models.shown(by, ascending=ascending, cursor=cursor, limit=limit)

    async def mine(self, caller: Account, cursor: Cursor | None = None, *, limit: int = 25) -> Page[Model]:
        """All models of the caller."""
        return await self._store.models.page(account_id=caller.id, cursor=cursor, limit=limit)

    async def of_owner(
        self, caller: Account, username: str, cursor: Cursor | None = None, *, limit: int = 100
    ) -> tuple[Account, Page[Model]]:
        """Who that is, and their models as far as the caller may see them. Raises NotFound."""
        owner = await self._store.accounts.by_username(username)
        if owner is None:
            raise NotFound
        found = await self._store.models.page(account_id=owner.id, cursor=cursor, limit=limit)
        return owner, msgspec.structs.replace(found, items=[m for m in found.items if visible(m, caller)])

    async def latest(self, model: Model) -> Version | None:
        return await self._versions.version(model.latest_version_id) if model.latest_version_id else None

    async def versions(
        self, caller: Account, owner: str, name: str, cursor: Cursor | None = None, *, limit: int = 25
    ) -> Page[Version]:
        model = await self.get(caller, owner, name)
        return await self._store.versions.page(model.id, cursor=cursor, limit=limit)

    async def version(self, caller: Account, owner: str, name: str, id: str) -> Version:
        """By its id, or `latest`. Raises NotFound."""
        model = await self.get(caller, owner, name)
        if id == LATEST:
            found = await self.latest(model)
        else:
            found = await self._versions.version(id) if ids.VERSION_ID.fullmatch(id) else None
        if found is None or found.model_id != model.id:
            raise NotFound
        return found

    async def breakdowns(self, version: Version) -> list[Breakdown]:
        """Where instances of it were given up."""
        return await self._store.breakdowns.of_version(version.id)

    async def retry(self, caller: Account, owner: str, name: str, id: str) -> None:
        """Try a version again that was given up: who waits, or the next prediction, boots an instance. By its id, the
        beginning of it, or `latest`. Raises NotFound, also for what is not the caller's."""
        model = await self.get(caller, owner, name)
        if model.account_id != caller.id and not caller.admin:
            raise NotFound
        if id == LATEST or ids.VERSION_ID.fullmatch(id):
            version_id = (await self.version(caller, owner, name, id)).id
        else:
            found = (await self._store.versions.page(model.id, limit=MAX_VERSIONS)).items
            fitting = [version.id for version in found if len(id) >= SHORTEST_ID and version.id.startswith(id)]
            if len(fitting) != 1:
                raise NotFound
            version_id = fitting[0]
        self._bus.submit(ResetVersion(version_id=version_id))

    async def _add(self, model: Model) -> None:
        if await self._store.models.count(model.account_id, self._max_models) >= self._max_models:
            raise Conflict(
                f"The account {model.owner} has {self._max_models} models already, which is the limit.",
                hint="Push new versions of one model, or raise the setting max_models.",
            )
        try:
            await self._store.models.create(model)
        except Conflict:
            raise Conflict("A model with that name and owner already exists.") from None
        self._versions.forget(model.owner, model.name)


def without_webhook(example: Prediction) -> Prediction:
    """As everybody may see it: where its owner had the news sent is nobody's business."""
    return msgspec.structs.replace(example, webhook=None) if example.webhook else example


def _check_name(name: str) -> list[Pointer]:
    if ids.NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return []
    detail = f"name: use lower-case letters and digits, with single - . _ between them, at most {MAX_NAME} characters"
    return [Pointer("/name", detail)]


def _check_visibility(visibility: str) -> list[Pointer]:
    if visibility in (Visibility.PUBLIC, Visibility.PRIVATE):
        return []
    return [Pointer("/visibility", "visibility: must be public or private")]


def _check_about(fields: dict[str, str | None]) -> list[Pointer]:
    """What is wrong with texts and links."""
    errors = []
    for field, text in fields.items():
        limit = MAX_README if field == "readme" else MAX_TEXT
        if text and len(text) > limit:
            errors.append(Pointer(f"/{field}", f"{field}: at most {limit} characters"))
        elif text and field.endswith("_url") and not _is_url(text):
            errors.append(Pointer(f"/{field}", f"{field}: must be an http:// or https:// URL"))
    return errors


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
