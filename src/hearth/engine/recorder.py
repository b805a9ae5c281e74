"""What happens to a prediction becomes events, a row, webhooks and news: here, and nowhere else.

An event is published at once and stored soon (`NEWS_WAIT`), together with what other predictions did meanwhile. The
first output is stored before anybody sees it: after a crash a prediction that has delivered nothing runs again, and
must not have. That write is soft, so that the first word waits for no disk: only a power cut within the next moments
could undo it. The outcome is one write with everything that was not stored yet; it is published when it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from hearth.bus.base import Bus
from hearth.clock import Clock
from hearth.domain.events import Event, Kind
from hearth.domain.model import Version
from hearth.domain.prediction import Phase, Prediction, Step, transition
from hearth.domain.webhook import Delivery
from hearth.engine import tokens
from hearth.engine.alarms import Alarms
from hearth.engine.hooks import Hooks, Render
from hearth.engine.live import Live
from hearth.policy.backoff import store_delay
from hearth.store.base import Change, Store

log = logging.getLogger(__name__)

KINDS = {
    Step.ASSIGN: Kind.ASSIGNED,
    Step.BOOT: Kind.BOOTING,
    Step.START: Kind.STARTED,
    Step.RETURN: Kind.RETURNED,
    Step.SUCCEED: Kind.SUCCEEDED,
    Step.FAIL: Kind.FAILED,
    Step.CANCEL: Kind.CANCELED,
    Step.ABORT: Kind.ABORTED,
}
"""The event that each step leaves."""
NEWS_WAIT = 0.05
"""Seconds that events wait at most to be stored; the first output and the last event don't. Most runs are over before,
and a long text would cost a transaction for every few words."""
_NEWS = {Kind.OUTPUT: "output", Kind.LOG: "logs"}
"""The webhook that an event may cause."""


class Recorder:
    """`lost` is called for a prediction that is no longer ours: withdrawn, or leased to another engine.
    `due` is called when the outbox got something to send."""

    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        clock: Clock,
        alarms: Alarms,
        render: Render,
        owner: str,
        interval: float,
        lost: Callable[[Live], None],
        due: Callable[[], None],
    ) -> None:
        self._store, self._bus, self._clock, self._alarms = store, bus, clock, alarms
        self._render, self._owner, self._interval = render, owner, interval
        self._lost, self._due = lost, due
        self._dirty: dict[str, Live] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tries = 0
        self.trouble: str | None = None
        """Why the store refuses writes at present; None if it takes them."""

    def open(self, prediction: Prediction, events: Sequence[Event] = ()) -> Live:
        """Take a prediction in hand; `events` are those in the store, by default those of a new one."""
        live = Live(prediction, events)
        if prediction.webhook:
            live.hooks = Hooks(
                snapshot=live.snapshot,
                put=lambda delivery: self._deliver(live, delivery),
                render=self._render,
                clock=self._clock,
                alarms=self._alarms,
            )
        self._bus.open(prediction.id, live)
        return live

    def release(self, live: Live) -> None:
        """Let go of a prediction that has not ended."""
        live.finishing = True
        self._dirty.pop(live.prediction.id, None)
        if live.hooks is not None:
            live.hooks.cancel()
        self._bus.close(live.prediction.id)

    def step(self, live: Live, step: Step, because: str, data: dict[str, Any]) -> None:
        """A step that does not end it."""
        now = self._clock.now()
        live.become(transition(live.prediction, step, now, because))
        self._append(live, KINDS[step], now, data)
        if live.hooks is not None and step is Step.START:
            live.hooks.news("start")

    def output(self, live: Live, item: Any) -> None:
        self._append(live, Kind.OUTPUT, self._clock.now(), item)

    def log(self, live: Live, text: str) -> None:
        if text:
            self._append(live, Kind.LOG, self._clock.now(), text)

    def stopping(self, live: Live, step: str, instance: str, because: str) -> None:
        """A step on the way to the end that was asked for."""
        self.note(live, Kind.STOPPING, {"step": step, "instance": instance, "because": because})

    def note(self, live: Live, kind: Kind, data: Any) -> None:
        """An event that changes no phase: a metric, a request to cancel."""
        self._append(live, kind, self._clock.now(), data)

    def _append(self, live: Live, kind: Kind, at: float, data: Any) -> None:
        if live.finishing:
            return
        event = Event(len(live.recorded), kind, at, data)
        live.fold(event)
        if live.held or (kind is Kind.OUTPUT and len(live.items) == 1):
            live.hold()
            if live.writing is None:
                self._write(live, soft=True)
        else:
            self._tell(live, (event,))
            self._touch(live, NEWS_WAIT)

    def _tell(self, live: Live, events: Sequence[Event]) -> None:
        self._bus.publish(live.prediction.id, events)
        if live.hooks is not None and not live.finishing:
            for event in events:
                if event.kind in _NEWS:
                    live.hooks.news(_NEWS[event.kind])

    def _deliver(self, live: Live, delivery: Delivery) -> None:
        live.deliveries.append(delivery)
        if not live.finishing:
            self._touch(live, self._interval)

    def _touch(self, live: Live, delay: float) -> None:
        """Write it within `delay` seconds; one that ends before needs no write of its own."""
        due = asyncio.get_running_loop().time() + delay
        if live.prediction.id not in self._dirty or due < live.due:
            live.due = due
            self._dirty[live.prediction.id] = live
            self._arm(due)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._flush)

    def _flush(self) -> None:
        """One write for each prediction whose news have waited for half of their time: in one transaction with those
        that have waited for all of it. While one is being written its news wait."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        dirty, self._dirty = self._dirty, {}
        for key, live in dirty.items():
            if live.writing is not None or live.due > now + NEWS_WAIT / 2:
                self._dirty[key] = live
            elif not live.finishing:
                self._write(live)
        if self._dirty:
            self._arm(max(now + self._interval, min(live.due for live in self._dirty.values())))

    def _write(self, live: Live, *, soft: bool = False) -> None:
        self._dirty.pop(live.prediction.id, None)
        count, sent = len(live.recorded), len(live.deliveries)
        change = Change(
            prediction=replace(live.prediction, events=count),
            events=live.recorded[live.written :],
            deliveries=live.deliveries[:sent],
            owner=self._owner,
            soft=soft,
        )
        try:
            live.writing = writing = asyncio.ensure_future(self._store.predictions.record(change))
        except Exception as error:  # noqa: BLE001 - drivers raise their own, some before anything is awaited
            self._retry(live, error)
        else:
            writing.add_done_callback(lambda done: self._written(live, count, sent, soft, done))

    def _written(self, live: Live, count: int, sent: int, soft: bool, done: asyncio.Future[bool]) -> None:
        live.writing = None
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            self._retry(live, error)
            return
        self._accepted()
        if not done.result():
            self._lost(live)
            return
        live.written = count
        if sent:
            del live.deliveries[:sent]
            self._due()
        if live.held and len(live.recorded) - live.held < count:
            self._tell(live, live.show())
        if live.finishing:
            return
        if live.held:  # the first output came during this write
            self._write(live, soft=True)
        elif soft or count < len(live.recorded):
            self._touch(live, NEWS_WAIT)

    def _retry(self, live: Live, error: BaseException) -> None:
        self._refused(error)
        self._touch(live, store_delay(self._tries))

    async def settled(self, live: Live) -> None:
        """Wait until everything so far is stored."""
        while not live.finishing and (live.writing is not None or live.written < len(live.recorded)):
            if live.writing is None:
                self._write(live)
            if live.writing is not None:
                await asyncio.wait([live.writing])
            if self._tries:
                await self._clock.sleep(store_delay(self._tries))

    async def finish(
        self,
        live: Live,
        step: Step,
        *,
        because: str = "",
        error: str | None = None,
        output: Any = None,
        metrics: dict[str, Any] | None = None,
        version: Version | None = None,
    ) -> Prediction | None:
        """Record the outcome, whatever it takes: a write that fails is tried again until it succeeds. `version`: what
        a training made.
        None if the prediction is no longer ours, or is being finished already."""
        if live.finishing:
            return None
        live.finishing = True
        before = live.prediction
        if live.hooks is not None and before.phase is Phase.RUNNING:
            live.hooks.last(output, whole=step is Step.SUCCEED and not live.items and output is not None)
        try:
            while live.writing is not None:
                await asyncio.wait([live.writing])
            final, event = self._outcome(live, step, because, error, output, metrics)
            if live.hooks is not None:
                live.hooks.completed(final)
            change = Change(
                prediction=final,
                events=[*live.recorded[live.written :], event],
                deliveries=live.deliveries,
                owner=self._owner,
                version=version,
            )
            stored = await self._persist(change)
        except asyncio.CancelledError:
            self.release(live)
            raise
        self._dirty.pop(final.id, None)
        if not stored:
            self.release(live)
            return None
        held = live.show()
        live.become(final)
        live.fold(event)
        self._bus.publish(final.id, (*held, event), ended=True)
        if live.deliveries:
            self._due()
        return final

    def _outcome(
        self,
        live: Live,
        step: Step,
        because: str,
        error: str | None,
        output: Any,
        metrics: dict[str, Any] | None,
    ) -> tuple[Prediction, Event]:
        before, now = live.prediction, self._clock.now()
        measured = live.metrics if not metrics else {**live.metrics, **metrics}
        if before.started_at is not None:
            measured.setdefault("predict_time", now - before.started_at)
            if tokens.OUTPUT in measured:
                tokens.complete(measured, live.recorded, before.started_at, now)
        measured["total_time"] = now - before.created_at
        data: dict[str, Any] = {}
        if step is Step.FAIL:
            data = {"error": error}
        elif step is not Step.SUCCEED:
            data = {"because": because}
        event = Event(len(live.recorded), KINDS[step], now, data)
        final = replace(
            transition(before, step, now, because),
            output=output,
            logs=live.logs,
            error=error,
            metrics=measured,
            events=event.seq + 1,
        )
        return final, event

    async def _persist(self, change: Change) -> bool:
        while True:
            try:
                stored = await self._store.predictions.record(change)
            except Exception as error:  # noqa: BLE001 - drivers raise their own; an outcome must not get lost
                self._refused(error)
                await self._clock.sleep(store_delay(self._tries))
            else:
                self._accepted()
                return stored

    def _refused(self, error: BaseException) -> None:
        self._tries += 1
        if self.trouble is None:
            log.error(
                "the store refuses writes, they are tried again until it takes them: %s",
                error,
                exc_info=error,
                extra={"action": "store_refused"},
            )
        self.trouble = f"{type(error).__name__}: {error}"

    def _accepted(self) -> None:
        if self.trouble is not None:
            log.info("the store takes writes again", extra={"action": "store_recovered"})
            self.trouble, self._tries = None, 0
