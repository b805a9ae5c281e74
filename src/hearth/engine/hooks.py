"""Which webhooks a prediction owes, and when (replicate-platform.md 12).

`start` and `completed` always; `output` and `logs` at most every THROTTLE seconds, and the last state always:
what the throttle held back goes out when its time is over, or right before `completed`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from hearth import ids
from hearth.clock import Clock
from hearth.domain.prediction import Prediction
from hearth.domain.webhook import THROTTLE, Delivery
from hearth.engine.alarms import Alarm, Alarms

Render = Callable[[Prediction], bytes]
"""The body of a webhook: the prediction as the API shows it."""


class Hooks:
    """The webhook of one prediction. Deliveries go to `put`, which stores them with the events they tell of."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], Prediction],
        put: Callable[[Delivery], None],
        render: Render,
        clock: Clock,
        alarms: Alarms,
    ) -> None:
        self._snapshot, self._put, self._render = snapshot, put, render
        self._clock, self._alarms = clock, alarms
        prediction = snapshot()
        self._wanted = frozenset(prediction.webhook_events)
        self._sent: dict[str, float] = {}
        self._held: dict[str, Alarm] = {}
        self._last = 0.0

    def news(self, event: str) -> None:
        """Something of this kind happened: `start`, `output` or `logs`."""
        if event not in self._wanted or event in self._held:
            return
        if event == "start":
            self._send(event, self._snapshot())
            return
        sent = self._sent.get(event)
        wait = 0.0 if sent is None else sent + THROTTLE - self._clock.monotonic()
        if wait <= 0:
            self._throttled(event)
        else:
            self._held[event] = self._alarms.after(wait, lambda: self._throttled(event))

    def _throttled(self, event: str) -> None:
        self._held.pop(event, None)
        self._sent[event] = self._clock.monotonic()
        self._send(event, self._snapshot())

    def last(self, output: Any, whole: bool) -> None:
        """The run is over, the record still says that it runs: send what was held back. `whole`: the output
        came in one piece just now, which is news as well."""
        events = [event for event in ("output", "logs") if event in self._held]
        if whole and "output" in self._wanted and "output" not in events:
            events.insert(0, "output")
        self.cancel()
        for event in events:
            self._send(event, replace(self._snapshot(), output=output))

    def completed(self, prediction: Prediction) -> None:
        if "completed" in self._wanted:
            self._send("completed", prediction)

    def cancel(self) -> None:
        """Send nothing that is held back."""
        for alarm in self._held.values():
            alarm.cancel()
        self._held.clear()

    def _send(self, event: str, prediction: Prediction) -> None:
        now = self._clock.now()
        self._last = created = max(now, self._last + 1e-6)
        self._put(
            Delivery(
                id=f"msg_{ids.random32()}",
                prediction_id=prediction.id,
                account_id=prediction.account_id,
                event=event,
                url=prediction.webhook or "",
                body=self._render(prediction),
                created_at=created,
                due_at=now,
            )
        )
