"""A prediction in hand: its events, and the record that they add up to so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Place, Prediction
from hearth.domain.webhook import Delivery
from hearth.engine.hooks import Hooks


class Live:
    """`bus.base.Feed`. Folding an event costs the same however many came before; a snapshot is made when
    somebody looks, and kept until something changes."""

    __slots__ = (
        "_logs",
        "_made",
        "_printed",
        "again",
        "deliveries",
        "due",
        "events",
        "explain",
        "finishing",
        "held",
        "hooks",
        "items",
        "metrics",
        "prediction",
        "recorded",
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
        self.recorded: list[Event] = []
        self.events: Sequence[Event] = self.recorded
        """Those that may be seen."""
        for event in events or (Event(0, Kind.QUEUED, prediction.created_at, {}),):
            self.fold(event)
        self.written = len(self.recorded)
        """The first event that the store does not have."""
        self.held = 0
        """Events at the end that nobody may see yet: the first output, until the store has it, and what followed."""
        self.writing: asyncio.Future[bool] | None = None
        """The write in progress. There is never a second one: events are stored in order, without gaps."""
        self.again = False
        """It may have run before, under an engine that is gone."""
        self.finishing = False
        """The outcome is being written; nothing else can happen any more."""
        self.deliveries: list[Delivery] = []
        """For the outbox, with the next write."""
        self.hooks: Hooks | None = None
        self.explain: Callable[[], Place] | None = None
        """While it waits: where it stands and why, made when somebody asks."""

    def fold(self, event: Event) -> None:
        """Take in the next event."""
        self.recorded.append(event)
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

    def hold(self) -> None:
        """Keep back the latest event and what follows."""
        if not self.held:
            self.events = self.recorded[:-1]
        self.held += 1

    def show(self) -> list[Event]:
        """Those that were held back; from now on they may be seen."""
        shown = self.recorded[len(self.recorded) - self.held :]
        self.held, self.events, self._made = 0, self.recorded, None
        return shown

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

    def place(self) -> Place | None:
        if self.explain is None or self.prediction.phase not in (Phase.QUEUED, Phase.BOOTING):
            return None
        return self.explain()

    def snapshot(self) -> Prediction:
        prediction = self.prediction
        if prediction.phase.terminal:
            return prediction
        if (place := self.place()) is not None:
            return replace(prediction, reason=place.because, place=place, logs=self.logs, events=len(self.events))
        if self._made is None:
            self._made = replace(
                prediction,
                output=list(self.items) if self.items and not self.held else None,
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
