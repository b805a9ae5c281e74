"""A small bounded cache with an age limit, for what every request asks again."""

from __future__ import annotations

from typing import Generic, TypeVar

from hearth.clock import Clock

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Holds `capacity` entries, the oldest give way. An entry counts for `ttl` seconds (None: for ever):
    that is how long another process's change may stay unseen."""

    def __init__(self, clock: Clock, capacity: int, ttl: float | None = None) -> None:
        self._clock = clock
        self._capacity = capacity
        self._ttl = ttl
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None or (self._ttl is not None and self._clock.monotonic() - entry[0] > self._ttl):
            return None
        return entry[1]

    def put(self, key: K, value: V) -> None:
        self._entries.pop(key, None)
        if len(self._entries) >= self._capacity:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._clock.monotonic(), value)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
