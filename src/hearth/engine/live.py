"""A prediction in hand: its events, and the record that they add up to so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Prediction
from hearth.domain.webhook import Delivery
from hearth.engine.hooks import Hooks


class Live:
    """`bus.base.Feed`. Folding an event costs the same however many came before; a snapshot is made when
    somebody looks, and kept until something changes."""

    __slots__ = (
        "_events",
        "_logs",
        "_made",
        "_printed",
        "deliveries",
        "due",
        "events",
        "explain",
        "finishing",
        "hooks",
        "items",
        "metrics",
        "prediction",
        "writing",
        "written",
    )

    def __init__(self, prediction: Prediction, events: Sequence[Event] = ()) -> None:
        """`events` are those in the store; without them, what every new prediction has: that it was queued."""
        self.prediction = prediction
        """The row as of the last step; output, logs and metrics join it at the end."""
        self.due = 0.0
        """When its news are to be stored, in the event loop's time."""
        self.items: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self._printed: list[str] = []
        self._logs = ""
        self._made: Prediction | None = None
        self._events: list[Event] = []
        self.events: Sequence[Event] = self._events
        for event in events or (Event(0, Kind.QUEUED, prediction.created_at, {}),):
            self.fold(event)
        self.written = len(self.events)
        """The first event that the store does not have."""
        self.writing: asyncio.Future[bool] | None = None
        """The write in progress. There is never a second one: events are stored in order, without gaps."""
        self.finishing = False
        """The outcome is being written; nothing else can happen any more."""
        self.deliveries: list[Delivery] = []
        """For the outbox, with the next write."""
        self.hooks: Hooks | None = None
        self.explain: Callable[[], str] | None = None
        """While it waits: the sentence that says why, made when somebody asks."""

    def fold(self, event: Event) -> None:
        """Take in the next event."""
        self._events.append(event)
        self._made = None
        kind = event.kind
        if kind is Kind.OUTPUT:
            self.items.append(event.data)
        elif kind is Kind.LOG:
            self._printed.append(event.data)
        elif kind is Kind.METRIC:
            measure(self.metrics, event.data["name"], event.data["value"], event.data["mode"])
        elif kind is Kind.RETURNED:
            self.metrics = {}

    @property
    def logs(self) -> str:
        if self._printed:
            self._logs += "".join(self._printed)
            self._printed.clear()
        return self._logs

    def become(self, prediction: Prediction) -> None:
        """The record after a step."""
        self.prediction = prediction
        self._made = None

    def snapshot(self) -> Prediction:
        prediction = self.prediction
        if prediction.phase.terminal:
            return prediction
        if self.explain is not None and prediction.phase in (Phase.QUEUED, Phase.BOOTING):
            return replace(prediction, reason=self.explain(), logs=self.logs, events=len(self.events))
        if self._made is None:
            self._made = replace(
                prediction,
                output=list(self.items) if self.items else None,
                logs=self.logs,
                metrics=dict(self.metrics),
                events=len(self.events),
            )
        return self._made


def measure(metrics: dict[str, Any], name: str, value: Any, mode: str) -> None:
    """Fold a custom metric in: a dot in its name nests, `incr` adds up, `append` collects (cog-runtime.md 9)."""
    *parents, leaf = name.split(".")
    for parent in parents:
        inner = metrics.get(parent)
        if not isinstance(inner, dict):
            inner = metrics[parent] = {}
        metrics = inner
    old = metrics.get(leaf)
    if mode == "incr" and isinstance(old, int | float) and isinstance(value, int | float):
        metrics[leaf] = old + value
    elif mode == "append":
        metrics[leaf] = [*old, value] if isinstance(old, list) else [value]
    else:
        metrics[leaf] = value
