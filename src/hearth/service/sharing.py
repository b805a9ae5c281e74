"""What becomes of a prediction afterwards: shown to whoever has its link, or deleted with its files."""

from __future__ import annotations

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.domain.account import Account
from hearth.domain.prediction import Prediction, PredictionKind
from hearth.errors import Conflict, NotFound
from hearth.service.models import Models, without_webhook
from hearth.service.predictions import Predictions
from hearth.store.base import Store


class Sharing:
    def __init__(self, *, store: Store, blobs: Blobs, models: Models, predictions: Predictions) -> None:
        self._store, self._blobs, self._models, self._predictions = store, blobs, models, predictions

    async def view(self, caller: Account, id: str) -> Prediction:
        """For its owner, for everybody if it is shared or an example of a model that the caller may see.
        Raises NotFound."""
        try:
            return await self._predictions.get(caller, id)
        except NotFound:
            shared = ids.PREDICTION_ID.fullmatch(id) is not None and await self._store.predictions.shared(id)
            found = await self._predictions.anybodys(id) if shared else None
            if found is None:
                raise
            return without_webhook(found)

    async def shared(self, id: str) -> bool:
        """Whether whoever has the link may see it."""
        return await self._store.predictions.shared(id)

    async def share(self, caller: Account, id: str, shared: bool = True) -> Prediction:
        """Show it to whoever has the link, and keep it for good; or no more. Raises NotFound, and Conflict for one
        whose data is gone."""
        found = await self._own(caller, id)
        if shared and found.data_removed:
            raise Conflict("Its data has been removed: there is nothing left to share.")
        await self._store.predictions.share(id, shared)
        return found

    async def example(self, id: str) -> bool:
        """Whether its model shows it."""
        return await self._store.examples.model_of(id) is not None

    async def delete(self, caller: Account, id: str) -> None:
        """With its input, output, logs, events and files. Raises NotFound, and Conflict while it goes on."""
        found = await self._own(caller, id)
        if found.kind is PredictionKind.TRAINING:
            raise Conflict("A training cannot be deleted.", hint="Delete the version that it made.")
        if not found.phase.terminal:
            raise Conflict("It has not ended yet.", hint="Cancel it first.")
        if await self._store.examples.remove(id):
            owner, _, name = found.model.partition("/")
            self._models.forget(owner, name)
        files = await self._store.files.of_predictions([id])
        await self._store.predictions.delete([id])
        if files:
            await self._blobs.delete([file.key for file in files])
            await self._store.files.delete([file.id for file in files])

    async def _own(self, caller: Account, id: str) -> Prediction:
        found = await self._predictions.anybodys(id)
        if found is None or found.account_id != caller.id:
            raise NotFound
        return found
