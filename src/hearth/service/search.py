"""Search over models, collections and pages of documentation."""

from __future__ import annotations

from typing import NamedTuple

from hearth.domain.account import Account
from hearth.domain.catalog import Collection, Findable, Hit
from hearth.domain.search import words
from hearth.errors import SearchFailed, Unavailable
from hearth.service.models import Models, Shown
from hearth.service.versions import visible
from hearth.store.base import Store

MAX_QUERY = 1000
"""Characters of a query that count."""
FEW = 10
"""Collections and pages in an answer, at most: `limit` is for models."""


class Found(NamedTuple):
    models: list[tuple[Shown, float | None]]
    """With their scores."""
    collections: list[tuple[Collection, list[str]]]
    """With the names of their models."""
    pages: list[Hit]


class Search:
    def __init__(self, *, store: Store, models: Models) -> None:
        self._store = store
        self._models = models

    async def models(self, caller: Account, query: str, *, limit: int = 25) -> list[tuple[Shown, float | None]]:
        """Public models and the caller's own, best first."""
        hits = await self._hits(caller, Findable.MODEL, query, limit)
        found = await self._store.models.many([hit.key for hit in hits])
        shown = await self._models.embed([found[hit.key] for hit in hits if hit.key in found])
        scores = {hit.key: hit.score for hit in hits}
        return [(each, scores[each.model.id]) for each in shown]

    async def everything(self, caller: Account, query: str, *, limit: int = 20) -> Found:
        collections = []
        for hit in await self._hits(caller, Findable.COLLECTION, query, FEW):
            collection = await self._store.collections.get(hit.key)
            if collection is not None:
                members = await self._store.collections.models(hit.key)
                collections.append((collection, [m.full_name for m in members if visible(m, caller)]))
        return Found(
            models=await self.models(caller, query, limit=limit),
            collections=collections,
            pages=await self._hits(caller, Findable.PAGE, query, FEW),
        )

    async def _hits(self, caller: Account, kind: Findable, query: str, limit: int) -> list[Hit]:
        try:
            return await self._store.search.find(kind, words(query[:MAX_QUERY]), account_id=caller.id, limit=limit)
        except Unavailable as error:
            raise SearchFailed from error
