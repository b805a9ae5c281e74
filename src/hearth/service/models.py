"""Models and their versions, as callers may see them."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from hearth import ids
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.model import Model, Version, Visibility
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer
from hearth.service.versions import LATEST, Resolver, visible
from hearth.store.base import Cursor, Page, Store

MAX_NAME = 200
MAX_TEXT = 10_000
_URLS = ("github_url", "paper_url", "license_url", "cover_image_url")


class Models:
    def __init__(self, *, store: Store, versions: Resolver, clock: Clock) -> None:
        self._store = store
        self._versions = versions
        self._clock = clock

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
        """Raises InvalidRequest with every wrong field, and Conflict on a taken name."""
        urls = dict(zip(_URLS, (github_url, paper_url, license_url, cover_image_url), strict=True))
        errors = [*_check_name(name), *_check_visibility(visibility)]
        if owner != caller.username:
            errors.append(Pointer("/owner", f"owner: must be {caller.username}, the account of the token"))
        if not hardware.strip() or len(hardware) > MAX_NAME:
            errors.append(Pointer("/hardware", "hardware: must name a hardware SKU, for example cpu"))
        if description is not None and len(description) > MAX_TEXT:
            errors.append(Pointer("/description", f"description: at most {MAX_TEXT} characters"))
        errors += [
            Pointer(f"/{field}", f"{field}: must be an http:// or https:// URL")
            for field, url in urls.items()
            if url and not _is_url(url)
        ]
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
            description=description,
            github_url=github_url or None,
            paper_url=paper_url or None,
            license_url=license_url or None,
            cover_image_url=cover_image_url or None,
        )
        await self._add(model)
        return model

    async def ensure(self, caller: Account, owner: str, name: str, *, visibility: str) -> Model:
        """The model a push goes to, made if it is not there. Raises NotFound for an owner that does not exist."""
        errors = [*_check_name(name), *_check_visibility(visibility)]
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
            visibility=Visibility(visibility),
        )
        try:
            await self._add(model)
        except Conflict:
            found = await self._store.models.get(owner, name)
            if found is None:
                raise
            return found
        return model

    async def get(self, caller: Account, owner: str, name: str) -> Model:
        """As stored, not from a cache. Raises NotFound."""
        model = await self._store.models.get(owner, name)
        if model is None or not visible(model, caller):
            raise NotFound
        return model

    async def page(self, caller: Account, cursor: Cursor | None = None, *, limit: int = 25) -> Page[Model]:
        """Public models that can be run, newest first. A page may hold fewer than `limit`."""
        page = await self._store.models.page(cursor=cursor, limit=limit)
        return msgspec.structs.replace(page, items=[m for m in page.items if m.latest_version_id is not None])

    async def mine(self, caller: Account, cursor: Cursor | None = None, *, limit: int = 25) -> Page[Model]:
        """All models of the caller."""
        return await self._store.models.page(account_id=caller.id, cursor=cursor, limit=limit)

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

    async def _add(self, model: Model) -> None:
        try:
            await self._store.models.create(model)
        except Conflict:
            raise Conflict("A model with that name and owner already exists.") from None
        self._versions.forget(model.owner, model.name)


def _check_name(name: str) -> list[Pointer]:
    if ids.NAME.fullmatch(name) and len(name) <= MAX_NAME:
        return []
    detail = f"name: use lower-case letters and digits, with single - . _ between them, at most {MAX_NAME} characters"
    return [Pointer("/name", detail)]


def _check_visibility(visibility: str) -> list[Pointer]:
    if visibility in (Visibility.PUBLIC, Visibility.PRIVATE):
        return []
    return [Pointer("/visibility", "visibility: must be public or private")]


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
