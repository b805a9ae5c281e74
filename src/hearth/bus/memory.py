"""The bus of a single process: plain calls, nothing stored, nothing awaited."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hearth.bus.base import Desk, Feed, Listener, Work
from hearth.domain.events import Event
from hearth.domain.instance import InstanceView


class MemoryBus:
    """`bus.base.Bus` within one event loop. Work submitted while nobody serves is dropped: it is in the store."""

    def __init__(self) -> None:
        self.owner: str | None = None
        self.desk: Desk | None = None
        self._handler: Callable[[Work], None] | None = None
        self._feeds: dict[str, Feed] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._instances: Sequence[InstanceView] = ()

    def submit(self, work: Work) -> None:
        if self._handler is not None:
            self._handler(work)

    def serve(self, owner: str, handler: Callable[[Work], None], desk: Desk | None = None) -> Callable[[], None]:
        """Raises RuntimeError if another engine serves already: one process has one."""
        if self._handler is not None:
            raise RuntimeError(f"engine {self.owner} serves this bus already")
        self.owner, self._handler, self.desk = owner, handler, desk

        def end() -> None:
            if self._handler is handler:
                self.owner = self._handler = self.desk = None

        return end

    def open(self, prediction_id: str, feed: Feed) -> None:
        self._feeds[prediction_id] = feed

    def publish(self, prediction_id: str, events: Sequence[Event], ended: bool = False) -> None:
        listeners = self._listeners.get(prediction_id)
        if listeners:
            for listener in tuple(listeners):
                listener(events, ended)
        if ended:
            self._feeds.pop(prediction_id, None)
            self._listeners.pop(prediction_id, None)

    def close(self, prediction_id: str) -> None:
        self._feeds.pop(prediction_id, None)

    def feed(self, prediction_id: str) -> Feed | None:
        return self._feeds.get(prediction_id)

    def listen(self, prediction_id: str, listener: Listener) -> Callable[[], None]:
        self._listeners.setdefault(prediction_id, []).append(listener)

        def end() -> None:
            listeners = self._listeners.get(prediction_id)
            if listeners and listener in listeners:
                listeners.remove(listener)
                if not listeners:
                    del self._listeners[prediction_id]

        return end

    def show(self, instances: Sequence[InstanceView]) -> None:
        self._instances = instances

    def instances(self) -> Sequence[InstanceView]:
        return self._instances
