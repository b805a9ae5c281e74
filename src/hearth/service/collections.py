"""Collections: read by all, kept by admins."""

from __future__ import annotations

from typing import Any

from hearth import ids
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.catalog import Collection
from hearth.domain.model import Model
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer
from hearth.service.models import MAX_NAME, MAX_README, MAX_TEXT, Models, Shown
from hearth.service.versions import visible
from hearth.store.base import Cursor, Page, Store

_LIMITS = {"name": MAX_NAME, "description": MAX_TEXT, "full_description": MAX_README}


class Collections:
    """What changes something is for admins: the API lets nobody else near."""

    def __init__(self, *, store: Store, models: Models, clock: Clock) -> None:
        self._store = store
        self._models = models
        self._clock = clock

    async def page(self, cursor: Cursor | None = None, *, limit: int = 100) -> Page[Collection]:
        """Newest first."""
        return await self._store.collections.page(cursor=cursor, limit=limit)

    async def get(self, caller: Account, slug: str) -> tuple[Collection, list[Shown]]:
        """With the models that the caller may see, in order. Raises NotFound."""
        collection = await self._store.collections.get(slug)
        if collection is None:
            raise NotFound
        members = [m for m in await self._store.collections.models(slug) if visible(m, caller)]
        return collection, await self._models.embed(members)

    async def create(self, slug: str, *, name: str, description: str, full_description: str | None) -> Collection:
        """Raises InvalidRequest, and Conflict on a taken slug."""
        errors = _check({"name": name, "description": description, "full_description": full_description})
        if not ids.NAME.fullmatch(slug) or len(slug) > MAX_NAME:
            errors.append(Pointer("/slug", "slug: use lower-case letters and digits, with single - between them"))
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        collection = Collection(
            slug=slug,
            name=name.strip(),
            description=description,
            created_at=self._clock.now(),
            full_description=full_description or None,
        )
        await self._store.collections.create(collection)
        return collection

    async def update(self, slug: str, fields: dict[str, Any]) -> Collection:
        """`fields`: any of name, description, full_description. Raises NotFound, InvalidRequest."""
        if errors := _check(fields):
            raise InvalidRequest(errors=tuple(errors))
        collection = await self._store.collections.update(slug, fields)
        if collection is None:
            raise NotFound
        return collection

    async def delete(self, slug: str) -> None:
        """Its models stay. Raises NotFound."""
        if not await self._store.collections.delete(slug):
            raise NotFound

    async def add(self, slug: str, model: str) -> None:
        """Behind the others; one that is in already stays where it is. Raises NotFound, InvalidRequest."""
        if await self._store.collections.get(slug) is None:
            raise NotFound
        found = await self._model(model)
        try:
            await self._store.collections.add(slug, found.id)
        except Conflict as gone:  # one of the two was deleted since
            raise NotFound from gone

    async def remove(self, slug: str, owner: str, name: str) -> None:
        """Raises NotFound for a model that is not in it."""
        found = await self._store.models.get(owner, name)
        if found is None or not await self._store.collections.remove(slug, found.id):
            raise NotFound

    async def _model(self, full_name: str) -> Model:
        owner, _, name = full_name.partition("/")
        found = await self._store.models.get(owner, name)
        if found is None:
            raise InvalidRequest(errors=(Pointer("/model", f"model: there is no model {full_name}"),))
        return found


def _check(fields: dict[str, Any]) -> list[Pointer]:
    errors = [
        Pointer(f"/{name}", f"{name}: at most {_LIMITS[name]} characters")
        for name, value in fields.items()
        if value is not None and len(value) > _LIMITS[name]
    ]
    if "name" in fields and not (fields["name"] or "").strip():
        errors.append(Pointer("/name", "name: is required"))
    return errors
