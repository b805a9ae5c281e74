"""Predictions: creating them, which is the hot path, and what may be asked of them afterwards."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hearth import ids
from hearth.bus.base import Bus, CancelRequested, DeliveryDue, NewPrediction, Withdrawn
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.deployment import Deployment
from hearth.domain.events import Event, Kind
from hearth.domain.lane import of_version
from hearth.domain.limits import Once
from hearth.domain.prediction import Prediction, PredictionKind
from hearth.domain.priority import Priority
from hearth.domain.webhook import EVENTS, Attempt, Delivery
from hearth.errors import Conflict, InvalidRequest, LineFull, NotFound, Pointer
from hearth.service.idempotency import check
from hearth.service.inputs import Inputs
from hearth.service.models import without_webhook
from hearth.service.versions import Resolver, visible
from hearth.store.base import Cursor, Lease, Page, Store

CANCEL_AFTER = (5.0, 24 * 3600.0)
"""Seconds; replicate-platform.md 9.1."""
LINGER = 0.005
"""Seconds. Nobody is told of a held prediction before it ends, so a quick one may be stored together with its
outcome, in one commit."""
CANCEL_WAIT = 1.0
"""Seconds that a cancel waits for the end: clients show what the reply says."""
DEFAULT_EVENTS = ("output", "completed")
MAX_URL = 2048


class Predictions:
    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        versions: Resolver,
        inputs: Inputs,
        clock: Clock,
        lease: float = 30.0,
        full: Callable[[str, Priority], float | None] = lambda lane, priority: None,
    ) -> None:
        """`lease`: seconds for which a new prediction belongs to this process's engine without renewal. `full`: of a
        lane, seconds until there may be room in its line; None if there is."""
        self._full = full
        self._store = store
        self._bus = bus
        self._versions = versions
        self._inputs = inputs
        self._clock = clock
        self._lease = lease

    async def create(
        self,
        caller: Account,
        *,
        version: str | None = None,
        model: tuple[str, str] | None = None,
        input: Any,
        webhook: str | None = None,
        webhook_events: Sequence[str] | None = None,
        hold: float | None = None,
        cancel_after: float | None = None,
        retention: float | None = None,
        priority: Priority | None = None,
        streamed: bool = False,
        once: Once | None = None,
        id: str | None = None,
        origin: str,
        source: str = "api",
        deployment: Deployment | None = None,
    ) -> Prediction:
        """Durable when it returns: as created, or as it ended within `hold` seconds.

        A caller who is gone has not cancelled anything. With `deployment` its serving release runs, on its own
        instances. `retention`: seconds from its end until its data is removed, if not as the account or the server
        has it. `priority`: by default that of somebody who looks on, if it is held, `streamed` or made in a browser.
        `id`: one from `ids.sortable`, for a caller who has noted it. With `once`, asking again gives the same
        prediction as it is then. Raises InvalidVersion, NotFound, InvalidInput, InvalidRequest, LineFull, and
        KeyReused if the key stands for another request.
        """
        if once is not None and (earlier := await self.again(caller, once, hold)) is not None:
            return earlier
        lane = None
        if deployment is not None:
            version, lane = deployment.route.version, deployment.lane(deployment.route)
        found = await self._versions.resolve(caller, version=version, model=model, input=input)
        lane = lane or of_version(found.version.id, found.model.hardware)
        events = check_options(webhook, webhook_events, cancel_after)
        priority = allowed(caller, priority, attended=bool(hold) or streamed or source != "api")
        checked, secrets = found.schema.check(input), None
        self.admit(lane.key, priority)
        id, now = id or ids.sortable(), self._clock.now()
        if found.schema.file_fields or found.schema.secret_fields:
            checked, secrets = await self._inputs.prepare(caller, found.schema, checked, id)
        prediction = Prediction(
            id=id,
            account_id=caller.id,
            model=found.version.model,
            version=found.version.id,
            deployment=None if deployment is None else deployment.full_name,
            input=checked,
            created_at=now,
            origin=origin,
            source=source,
            webhook=webhook,
            webhook_events=events,
            deadline=None if cancel_after is None else now + cancel_after,
            retention=caller.retention if retention is None else retention,
            priority=priority,
            events=1,
        )
        work = NewPrediction(prediction=prediction, version=found.version, secrets=secrets, lane=lane)
        if not hold:
            if not await self.accept(work, once=once):
                return await self.first(caller, once, id, hold)
            return prediction
        end = _End(self._bus, id)  # before the engine hears of it, so that nothing is missed
        try:
            if not await self.accept(work, linger=LINGER, once=once):
                return await self.first(caller, once, id, hold)
            if not await end.within(hold):
                return await self._after_hold(prediction)
            return end.prediction or await self._stored(caller, id)
        finally:
            end.forget()

    async def get(self, caller: Account, id: str) -> Prediction:
        """As it is now, output and logs so far included; of others' predictions, the examples of models that the
        caller may see. Raises NotFound."""
        try:
            return await self._own(caller, id)
        except NotFound:
            model_id = await self._store.examples.model_of(id)
            model = (await self._store.models.many([model_id])).get(model_id) if model_id else None
            example = await self._store.predictions.get(id) if model and visible(model, caller) else None
            if example is None:
                raise
            return without_webhook(example)

    async def anybodys(self, id: str) -> Prediction | None:
        """As it is now, whosever it is: what may be shown of it is for the caller to decide."""
        feed = self._bus.feed(id)
        if feed is not None:
            return feed.snapshot()
        return await self._store.predictions.get(id) if ids.PREDICTION_ID.fullmatch(id) else None

    async def _own(self, caller: Account, id: str) -> Prediction:
        feed = self._bus.feed(id)
        if feed is not None:
            prediction = feed.snapshot()
            if prediction.account_id != caller.id:
                raise NotFound
            return prediction
        return await self._stored(caller, id)

    async def page(
        self,
        caller: Account,
        *,
        kind: PredictionKind = PredictionKind.PREDICTION,
        cursor: Cursor | None = None,
        created_after: float | None = None,
        created_before: float | None = None,
        source: str | None = None,
        limit: int = 100,
    ) -> Page[Prediction]:
        """Newest first. What the engine here has in hand is shown as it is now."""
        found = await self._store.predictions.page(
            caller.id,
            kind,
            limit=limit,
            cursor=cursor,
            created_after=created_after,
            created_before=created_before,
            source=source,
        )
        items = [p if p.phase.terminal else self._live(p) for p in found.items]
        return msgspec.structs.replace(found, items=items)

    def _live(self, prediction: Prediction) -> Prediction:
        feed = self._bus.feed(prediction.id)
        return prediction if feed is None else feed.snapshot()

    async def cancel(self, caller: Account, id: str) -> Prediction:
        """Ask for the end, wait a moment for it, and return the prediction as it is then."""
        prediction = await self.get(caller, id)
        if prediction.phase.terminal:
            return prediction
        end = _End(self._bus, id)
        try:
            if await self._store.predictions.request_cancel(id, self._clock.now()):
                self._bus.submit(CancelRequested(prediction_id=id, by=caller.username))
            else:  # asked before, or it ended meanwhile
                prediction = await self.get(caller, id)
                if prediction.phase.terminal:
                    return prediction
            await end.within(CANCEL_WAIT)
            return end.prediction or await self.get(caller, id)
        finally:
            end.forget()

    async def timeline(self, caller: Account, id: str) -> list[Event]:
        """Everything that happened so far, in order."""
        await self.get(caller, id)
        feed = self._bus.feed(id)
        return list(feed.events) if feed is not None else await self._store.predictions.events(id)

    async def deliveries(self, caller: Account, id: str) -> list[tuple[Delivery, list[Attempt]]]:
        """The webhooks of a prediction, in order of creation, each with its attempts."""
        await self._own(caller, id)
        return await self._store.outbox.of_prediction(id)

    async def outbox(
        self, caller: Account, *, cursor: Cursor | None = None, limit: int = 100
    ) -> Page[tuple[Delivery, list[Attempt]]]:
        """All webhooks of the caller, newest first."""
        return await self._store.outbox.page(caller.id, limit=limit, cursor=cursor)

    async def replay(self, caller: Account, delivery_id: str) -> None:
        """Send a webhook again. Raises NotFound for one that is not the caller's or still waits to be sent."""
        if not await self._store.outbox.replay(delivery_id, caller.id, self._clock.now()):
            raise NotFound("There is no such delivery that could be sent again.")
        self._bus.submit(DeliveryDue())

    async def again(self, caller: Account, once: Once, hold: float | None = None) -> Prediction | None:
        """What the key made before, as it is now or as it ended within `hold` seconds. Raises KeyReused."""
        kept = await self._store.idempotency.get(caller.id, once.key, self._clock.now())
        if kept is None:
            return None
        check(once, kept)
        return await self._as_it_is(caller, kept.prediction_id, hold) if kept.prediction_id else None

    async def first(self, caller: Account, once: Once | None, id: str, hold: float | None = None) -> Prediction:
        """Of several at once with the same key, the one that was stored. `id` is the one that was not."""
        await self._inputs.discard(id)
        earlier = None if once is None else await self.again(caller, once, hold)
        if earlier is None:
            raise Conflict("The idempotency key was given up at this moment.", hint="Send the request again.")
        return earlier

    async def _as_it_is(self, caller: Account, id: str, hold: float | None) -> Prediction:
        """Now, or as it ended within `hold` seconds."""
        end = _End(self._bus, id)
        try:
            prediction = await self.get(caller, id)
            if not hold or prediction.phase.terminal or not await end.within(hold):
                return prediction
            return end.prediction or await self._stored(caller, id)
        finally:
            end.forget()

    def admit(self, lane: str, priority: Priority) -> None:
        """Raises LineFull if too many wait there already."""
        seconds = self._full(lane, priority)
        if seconds is not None:
            raise LineFull(reset=max(math.ceil(seconds), 1))

    async def accept(self, work: NewPrediction, linger: float = 0.0, once: Once | None = None) -> bool:
        """Store it and hand it to the engine; at the same time where the store keeps the order of writes.

        False if the key of `once` is taken: only what is certain to be the first may start.
        """
        prediction, owner = work.prediction, self._bus.owner
        store = self._store.predictions
        stored = store.create(
            prediction,
            [Event(0, Kind.QUEUED, prediction.created_at, {})],
            lease=Lease(owner, prediction.created_at + self._lease) if owner is not None else None,
            secrets=work.secrets,
            linger=linger,
            once=once,
        )
        if once is not None:
            try:
                await stored
            except Conflict:
                return False
            self._bus.submit(work)
            return True
        if not store.ordered:
            await stored
            self._bus.submit(work)
            return True
        self._bus.submit(work)
        try:
            await stored
        except asyncio.CancelledError:
            raise  # the write goes on by itself, so nothing may be withdrawn
        except BaseException:
            self._bus.submit(Withdrawn(prediction_id=prediction.id))
            raise
        return True

    async def _after_hold(self, created: Prediction) -> Prediction:
        """The reply when the hold ran out: not yet started, for the clients. An engine elsewhere may have
        finished without its news having come through."""
        if self._bus.owner is None:
            now = await self._store.predictions.get(created.id)
            if now is not None and now.phase.terminal:
                return now
        return created

    async def _stored(self, caller: Account, id: str) -> Prediction:
        prediction = await self._store.predictions.get(id) if ids.PREDICTION_ID.fullmatch(id) else None
        if prediction is None or prediction.account_id != caller.id:
            raise NotFound
        return prediction


class _End:
    """Waits for the end of one prediction. It listens from the moment it is made."""

    __slots__ = ("_bus", "_done", "_id", "_loop", "forget", "prediction")

    def __init__(self, bus: Bus, id: str) -> None:
        self.prediction: Prediction | None = None
        """How it ended, if the engine is in this process."""
        self._bus = bus
        self._id = id
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[bool] = self._loop.create_future()
        self.forget = bus.listen(id, self._heard)

    def _heard(self, events: Sequence[Event], ended: bool) -> None:
        if ended and not self._done.done():
            feed = self._bus.feed(self._id)  # open until every listener has been called
            self.prediction = feed.snapshot() if feed is not None else None
            self._done.set_result(True)

    async def within(self, seconds: float) -> bool:
        """Whether it ended in time."""
        timer = self._loop.call_later(seconds, self._late)
        try:
            return await self._done
        finally:
            timer.cancel()

    def _late(self) -> None:
        if not self._done.done():
            self._done.set_result(False)


def allowed(caller: Account, asked: Priority | None, *, attended: bool) -> Priority:
    """How urgent a prediction is: as asked, else interactive if somebody looks on. Raises InvalidRequest for more
    than the caller's token may ask for."""
    ceiling = caller.ceiling
    if asked is None:
        usual = Priority.INTERACTIVE if attended else Priority.NORMAL
        return usual if usual.within(ceiling) else ceiling
    if not asked.within(ceiling):
        detail = f"priority: {asked.value} is more than this token may ask for, which is {ceiling.value}"
        raise InvalidRequest(errors=(Pointer("/priority", detail),))
    return asked


def check_options(webhook: str | None, events: Sequence[str] | None, cancel_after: float | None) -> tuple[str, ...]:
    """The webhook events to send. Raises InvalidRequest with every wrong option."""
    if webhook is None and not events and cancel_after is None:
        return DEFAULT_EVENTS
    errors: list[Pointer] = []
    if webhook is not None and not _is_url(webhook):
        errors.append(Pointer("/webhook", "webhook: must be an http:// or https:// URL with a host"))
    for index, event in enumerate(events or ()):
        if event not in EVENTS:
            detail = f"webhook_events_filter: must be one of {', '.join(EVENTS)}"
            errors.append(Pointer(f"/webhook_events_filter/{index}", detail))
    least, most = CANCEL_AFTER
    if cancel_after is not None and not (math.isfinite(cancel_after) and least <= cancel_after <= most):
        errors.append(Pointer("/cancel_after", "Cancel-After: must be between 5 seconds and 24 hours"))
    if errors:
        raise InvalidRequest(errors=tuple(errors))
    return tuple(dict.fromkeys(events)) if events else DEFAULT_EVENTS


def _is_url(text: str) -> bool:
    if len(text) > MAX_URL or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
