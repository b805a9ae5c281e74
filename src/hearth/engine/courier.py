"""Webhooks go out: signed, in order, tried again, each try on record. What is to be sent is in the outbox.

Nothing is polled: the courier sleeps until somebody says that there is something, or until the next one is due.
What a receiver has no room for (`receivers.py`) is put off, with all later deliveries of its prediction.
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
from hearth.engine.receivers import Receivers
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
_PUT_OFF = 10_000
"""Predictions whose deliveries are known to be put off; beyond that, those are forgotten whose time has come."""
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
        self._receivers = Receivers()
        self._put_off: dict[str, float] = {}
        """By prediction: until when its deliveries wait. What came later must not overtake them."""
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
            late = {}
            for delivery in sorted(claimed, key=lambda d: (d.created_at, d.id)):
                if (until := self._begin(delivery, now)) is not None:
                    late[delivery.id] = until
            if late:
                await self._store.outbox.put_off(late)
            if len(claimed) < room:
                due = await self._store.outbox.next_due()
                if due is not None:
                    self._wake_in(due - self._clock.now())
                return

    def _begin(self, delivery: Delivery, now: float) -> float | None:
        """Send it, now or after what its prediction has on its way; until when it must wait, if it must."""
        key = delivery.prediction_id
        lane = self._lanes.get(key)
        if lane is not None:
            if all(other.id != delivery.id for other in lane):  # else its hold ran out while it waits in the lane
                lane.append(delivery)
            return None
        until = self._put_off.get(key, now)
        if until > now:
            return until
        self._put_off.pop(key, None)
        if not self._receivers.take(delivery.url):
            if len(self._put_off) >= _PUT_OFF:
                self._put_off = {other: at for other, at in self._put_off.items() if at > now}
            self._put_off[key] = until = now + self._receivers.pause(delivery.url)
            return until
        self._lanes[key] = deque([delivery])
        self._tasks.spawn(self._work(key, delivery.url), f"webhooks of {key}")
        return None

    def _wake_in(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._alarms.after(max(seconds, 0.0), self.wake)

    async def _work(self, prediction_id: str, url: str) -> None:
        """Send a prediction's deliveries, all to one receiver, in order."""
        lane = self._lanes[prediction_id]
        try:
            while lane:
                await self._send(lane[0])
                lane.popleft()
        finally:
            del self._lanes[prediction_id]
            self._receivers.give(url)
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
            self._receivers.answered(delivery.url, None)
            self._metrics.webhooks["failed"].inc()
            await self._record(delivery, None, error.message, self._clock.monotonic() - began, again=True)
        else:
            self._receivers.answered(delivery.url, reply.duration)
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
