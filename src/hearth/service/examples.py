"""Examples: predictions that a model shows to everybody who may see it."""

from __future__ import annotations

import re

import msgspec

from hearth import ids
from hearth.domain.account import Account
from hearth.domain.file import PREFIX
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.errors import InvalidRequest, NotFound, Pointer
from hearth.service.models import Models, without_webhook
from hearth.store.base import Cursor, Page, Store

_REFERENCES = re.compile(rf'"{PREFIX}([0-9a-z]{{26}})/'.encode())


class Examples:
    def __init__(self, *, store: Store, models: Models) -> None:
        self._store = store
        self._models = models

    async def page(
        self, caller: Account, owner: str, name: str, cursor: Cursor | None = None, *, limit: int = 25
    ) -> Page[Prediction]:
        """The default one first. Raises NotFound."""
        model = await self._models.get(caller, owner, name)
        page = await self._store.examples.page(model.id, cursor=cursor, limit=limit)
        return msgspec.structs.replace(page, items=[without_webhook(p) for p in page.items])

    async def add(self, caller: Account, owner: str, name: str, prediction_id: str) -> Prediction:
        """Show a prediction, and keep it for good. Raises NotFound, InvalidRequest."""
        model = await self._models.own(caller, owner, name)
        found = await self._store.predictions.get(prediction_id) if ids.PREDICTION_ID.fullmatch(prediction_id) else None
        if found is None or found.account_id != caller.id:
            raise _refused("there is no such prediction of yours")
        if found.model != model.full_name or found.kind is not PredictionKind.PREDICTION:
            raise _refused(f"it is not a prediction of {model.full_name}")
        if found.phase is not Phase.SUCCEEDED:
            raise _refused("only predictions that have succeeded can be examples")
        if found.data_removed:
            raise _refused("its data has been removed already")
        files = [id.decode() for id in _REFERENCES.findall(msgspec.json.encode(found.input))]
        if not await self._store.examples.add(found.id, files):
            raise _refused("its version has been deleted")
        self._models.changed(model)
        return found

    async def remove(self, caller: Account, owner: str, name: str, prediction_id: str) -> None:
        """Show it no more; its data is kept no longer than others'. Raises NotFound."""
        model = await self._models.own(caller, owner, name)
        if await self._store.examples.model_of(prediction_id) != model.id:
            raise NotFound
        await self._store.examples.remove(prediction_id)
        self._models.changed(model)


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(errors=(Pointer("/prediction", f"prediction: {why}"),))
