"""Webhooks go out: signed, in order, tried again, each try on record. What is to be sent is in the outbox.

Nothing is polled: the courier sleeps until somebody says that there is something, or until the next one is due.
Deliveries of one prediction go one after another, so that `completed` is never overtaken. A `start` that
failed is not tried again once a later delivery exists: it would tell old news, and the later one tells all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from msgspec.structs import replace

from hearth import __version__
from hearth.clock import Clock
from hearth.domain.webhook import RETRY_DELAYS, Attempt, Delivery, DeliveryState, next_try, sign
from hearth.engine.alarms import Alarm, Alarms
from hearth.engine.inputs import Opener
from hearth.engine.metrics import Metrics
from hearth.engine.tasks import Tasks
from hearth.errors import AddressRefused, FetchFailed, HearthError
from hearth.net.base import Sender
from hearth.policy.backoff import store_delay
from hearth.store.base import Store

log = logging.getLogger(__name__)

HOLD = 30.0
"""Seconds that a claimed delivery is kept from other couriers: longer than any try takes, and no longer than a
receiver may wait for what a killed server had claimed."""
CLOSING = 5.0
"""Seconds that tries on their way get when the server stops."""
SUPERSEDED = "Not sent again: a later webhook of this prediction tells more."


class Courier:
    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        sealer: Opener,
        clock: Clock,
        alarms: Alarms,
        metrics: Metrics,
        capacity: int,
    ) -> None:
        self._store, self._sender, self._sealer = store, sender, sealer
        self._clock, self._alarms, self._metrics, self._capacity = clock, alarms, metrics, capacity
        self._tasks = Tasks()
        self._lanes: dict[str, deque[Delivery]] = {}
        """By prediction: what is being sent, and what comes after it."""
        self._secrets: dict[str, str] = {}
        self._news = asyncio.Event()
        self._alarm: Alarm | None = None

    def wake(self) -> None:
        """There is something to send."""
        self._news.set()

    async def run(self) -> None:
        """Send what is due, for ever. Cancelling this ends it; tries on their way go on until `close`."""
        tries = 0
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._round()
                tries = 0
            except Exception as error:  # noqa: BLE001 - drivers raise their own; webhooks go on when the store is back
                tries += 1
                log.warning("the outbox could not be read: %s", error, extra={"action": "outbox_failed"})
                self._wake_in(store_delay(tries))

    async def close(self) -> None:
        """Wait for the tries on their way, but not long: what is broken off goes out after the restart."""
        if self._alarm is not None:
            self._alarm.cancel()
        await asyncio.wait([asyncio.ensure_future(self._tasks.join())], timeout=CLOSING)
        await self._tasks.close()

    async def _round(self) -> None:
        while (room := self._capacity - len(self._lanes)) > 0:
            now = self._clock.now()
            claimed = await self._store.outbox.claim(now, now + HOLD, room)
            for delivery in sorted(claimed, key=lambda d: (d.created_at, d.id)):
                lane = self._lanes.get(delivery.prediction_id)
                if lane is not None:
                    lane.append(delivery)
                else:
                    self._lanes[delivery.prediction_id] = deque([delivery])
                    self._tasks.spawn(self._work(delivery.prediction_id), f"webhooks of {delivery.prediction_id}")
            if len(claimed) < room:
                due = await self._store.outbox.next_due()
                if due is not None:
                    self._wake_in(due - self._clock.now())
                return

    def _wake_in(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._alarms.after(max(seconds, 0.0), self.wake)

    async def _work(self, prediction_id: str) -> None:
        """Send a prediction's deliveries in order."""
        lane = self._lanes[prediction_id]
        try:
            while lane:
                await self._send(lane[0])
                lane.popleft()
        finally:
            del self._lanes[prediction_id]
            self.wake()

    async def _send(self, delivery: Delivery) -> None:
        if await self._superseded(delivery):
            await self._record(delivery, None, SUPERSEDED, 0.0, again=False)
            return
        began = self._clock.monotonic()
        try:
            reply = await self._sender.post(delivery.url, delivery.body, await self._headers(delivery))
        except AddressRefused as error:
            self._metrics.webhooks["failed"].inc()
            await self._record(delivery, None, error.message, self._clock.monotonic() - began, again=False)
        except HearthError as error:
            self._metrics.webhooks["failed"].inc()
            await self._record(delivery, None, error.message, self._clock.monotonic() - began, again=True)
        else:
            delivered = 200 <= reply.status < 300
            self._metrics.webhooks["delivered" if delivered else "refused"].inc()
            error_text = None if delivered else f"The receiver answered {reply.status}."
            await self._record(delivery, reply.status, error_text, reply.duration, again=not delivered)

    async def _headers(self, delivery: Delivery) -> dict[str, str]:
        timestamp = int(self._clock.now())
        secret = await self._secret(delivery.account_id)
        return {
            "content-type": "application/json",
            "user-agent": f"Hearth/{__version__}",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(secret, delivery.id, timestamp, delivery.body),
        }

    async def _secret(self, account_id: str) -> str:
        """Raises FetchFailed if the account is gone."""
        secret = self._secrets.get(account_id)
        if secret is None:
            account = await self._store.accounts.get(account_id)
            if account is None:
                raise FetchFailed("The account that this webhook belongs to does not exist any more.")
            secret = self._secrets[account_id] = self._sealer.open(account.webhook_secret).decode()
        return secret

    async def _superseded(self, delivery: Delivery) -> bool:
        """Whether this is a second try and something newer exists. A replay on request is sent all the same."""
        if delivery.event == "completed" or not 0 < delivery.attempts <= len(RETRY_DELAYS):
            return False
        found = await self._store.outbox.of_prediction(delivery.prediction_id)
        own = next((attempts for other, attempts in found if other.id == delivery.id), [])
        if any(attempt.error is None or attempt.error == SUPERSEDED for attempt in own):
            return False
        return delivery.event == "start" and any(other.created_at > delivery.created_at for other, _ in found)

    async def _record(
        self, delivery: Delivery, status: int | None, error: str | None, duration: float, *, again: bool
    ) -> None:
        """Store the try and what comes next."""
        now, number = self._clock.now(), delivery.attempts + 1
        delay = next_try(delivery.event, number) if again else None
        if error is None:
            state = DeliveryState.DELIVERED
        else:
            state = DeliveryState.FAILED if delay is None else DeliveryState.PENDING
        due = now if delay is None else now + delay
        attempt = Attempt(
            delivery_id=delivery.id, number=number, at=now - duration, duration=duration, status=status, error=error
        )
        if error is not None:
            then = "given up" if delay is None else f"tried again in {delay:g} s"
            log.info(
                "webhook %s (%s of %s) was not delivered: %s; %s",
                delivery.id,
                delivery.event,
                delivery.prediction_id,
                error,
                then,
                extra={"action": "webhook_failed", "delivery": delivery.id, "prediction": delivery.prediction_id},
            )
        await self._store.outbox.record(replace(delivery, state=state, attempts=number, due_at=due), attempt)
