"""Trainings: predictions of another kind, whose result is a version.

Sources: replicate-platform.md 14, client-contract.md 14. They share the ids, the events and the webhooks of
predictions; they run the version's trainer, in a lane of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hearth import ids
from hearth.bus.base import Bus, NewPrediction
from hearth.clock import Clock
from hearth.domain import lane
from hearth.domain.account import Account
from hearth.domain.events import Event
from hearth.domain.limits import Once
from hearth.domain.model import Version
from hearth.domain.prediction import Prediction, PredictionKind
from hearth.domain.schema import InputSchema
from hearth.errors import InvalidRequest, NotFound, Pointer
from hearth.service.cache import Cache
from hearth.service.inputs import Inputs
from hearth.service.models import Models
from hearth.service.predictions import Predictions, allowed, check_options
from hearth.service.versions import Resolver
from hearth.store.base import Cursor, Page

NO_DESTINATION = "The specified training destination does not exist"


class Trainings:
    def __init__(
        self, *, bus: Bus, models: Models, versions: Resolver, predictions: Predictions, inputs: Inputs, clock: Clock
    ) -> None:
        self._bus, self._models, self._versions = bus, models, versions
        self._predictions, self._inputs, self._clock = predictions, inputs, clock
        self._schemas: Cache[str, InputSchema] = Cache(clock, 64)

    async def create(
        self,
        caller: Account,
        *,
        owner: str,
        name: str,
        version: str,
        destination: str,
        input: Any,
        webhook: str | None = None,
        webhook_events: Sequence[str] | None = None,
        once: Once | None = None,
        origin: str,
        source: str = "api",
    ) -> Prediction:
        """Durable when it returns. Raises NotFound for a version or a destination that is not there,
        InvalidRequest for a version that cannot be trained, InvalidInput, and KeyReused."""
        if once is not None and (earlier := await self._predictions.again(caller, once)) is not None:
            return earlier
        base = await self._models.version(caller, owner, name, version)
        await self._check_destination(caller, destination)
        if base.recipe.train is None:
            detail = f"version: {base.model} cannot be trained: its cog.yaml names no train code"
            raise InvalidRequest(errors=(Pointer("/version", detail),))
        events = check_options(webhook, webhook_events, None)
        schema = self._schema(base)
        checked, secrets = schema.check(input), None
        id, now = ids.sortable(), self._clock.now()
        if schema.file_fields or schema.secret_fields:
            checked, secrets = await self._inputs.prepare(caller, schema, checked, id)
        training = Prediction(
            id=id,
            account_id=caller.id,
            model=base.model,
            version=base.id,
            kind=PredictionKind.TRAINING,
            destination=destination,
            input=checked,
            created_at=now,
            origin=origin,
            source=source,
            webhook=webhook,
            webhook_events=events,
            priority=allowed(caller, None, attended=False),
            events=1,
        )
        model = await self._models.get(caller, owner, name)
        where = lane.of_trainings(base.id, model.hardware)
        work = NewPrediction(prediction=training, version=base, secrets=secrets, lane=where)
        if not await self._predictions.accept(work, once=once):
            return await self._predictions.first(caller, once, id)
        self._forget_when_done(training)
        return training

    async def get(self, caller: Account, id: str) -> Prediction:
        """Raises NotFound, for a prediction as well."""
        found = await self._predictions.get(caller, id)
        if found.kind is not PredictionKind.TRAINING:
            raise NotFound
        return found

    async def page(self, caller: Account, cursor: Cursor | None = None) -> Page[Prediction]:
        """The caller's, newest first."""
        return await self._predictions.page(caller, kind=PredictionKind.TRAINING, cursor=cursor)

    async def cancel(self, caller: Account, id: str) -> Prediction:
        await self.get(caller, id)
        return await self._predictions.cancel(caller, id)

    async def _check_destination(self, caller: Account, destination: str) -> None:
        owner, _, name = destination.partition("/")
        model = await self._versions.model(owner, name) if owner and name else None
        if model is None or model.account_id != caller.id:
            raise NotFound(NO_DESTINATION)

    def _schema(self, version: Version) -> InputSchema:
        schema = self._schemas.get(version.id)
        if schema is None:
            schema = InputSchema.parse(version.openapi_schema, train=True)
            self._schemas.put(version.id, schema)
        return schema

    def _forget_when_done(self, training: Prediction) -> None:
        """Its destination then has another latest version."""

        def heard(events: Sequence[Event], ended: bool) -> None:
            if ended:
                owner, _, name = (training.destination or "").partition("/")
                self._versions.forget(owner, name)
                forget()

        forget = self._bus.listen(training.id, heard)
