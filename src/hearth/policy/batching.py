"""Which waiting predictions run together, and how long the first of them waits for the others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _Place(NamedTuple):
    kin: Hashable
    due: float


class Gathering(Generic[T]):
    """Those who wait in a lane that runs groups, kin with kin. Who is next is the line's business: `take` then
    brings along whoever may run with them. Every call costs the same, however many wait.

    Times are monotonic seconds, and must not go back.
    """

    __slots__ = ("_families", "_full", "_places", "max_size", "max_wait")

    def __init__(self, max_size: int, max_wait: float) -> None:
        self.max_size, self.max_wait = max_size, max_wait
        self._places: OrderedDict[str, _Place] = OrderedDict()
        """By id, in the order in which they are due."""
        self._families: dict[Hashable, OrderedDict[str, T]] = {}
        self._full: set[Hashable] = set()
        """Kin of whom there are enough for a whole group."""

    def __len__(self) -> int:
        return len(self._places)

    def resize(self, max_size: int, max_wait: float) -> None:
        """New bounds; those who wait already are due as they were."""
        if max_size != self.max_size:
            self._full = {kin for kin, family in self._families.items() if len(family) >= max_size}
        self.max_size, self.max_wait = max_size, max_wait

    def join(self, id: str, kin: Hashable, item: T, now: float) -> None:
        """Equal `kin` may run together. It is due `max_wait` from now."""
        self._enter(id, kin, item, now + self.max_wait)

    def rejoin(self, id: str, kin: Hashable, item: T) -> None:
        """One that was taken before and came back: due at once, and ahead of its kin."""
        self._enter(id, kin, item, 0.0)
        self._places.move_to_end(id, last=False)
        self._families[kin].move_to_end(id, last=False)

    def _enter(self, id: str, kin: Hashable, item: T, due: float) -> None:
        self._places[id] = _Place(kin, due)
        family = self._families.setdefault(kin, OrderedDict())
        family[id] = item
        if len(family) >= self.max_size:
            self._full.add(kin)

    def leave(self, id: str) -> None:
        """It waits no more; nothing happens if it did not."""
        place = self._places.pop(id, None)
        if place is None:
            return
        family = self._families[place.kin]
        del family[id]
        if len(family) < self.max_size:
            self._full.discard(place.kin)
        if not family:
            del self._families[place.kin]

    def delay(self, now: float) -> float | None:
        """Seconds until the next group should begin, given a free slot; None if nobody waits.

        1. There are enough of a kind for a whole group: now.
        2. Somebody has waited as long as anybody should: now.
        3. Else when the first of them has.
        """
        if not self._places:
            return None
        if self._full:
            return 0.0
        return max(next(iter(self._places.values())).due - now, 0.0)

    def take(self, id: str) -> list[T]:
        """The one who is next and those who run with it, first come first, up to `max_size`. They wait no more.

        Raises KeyError if it does not wait.
        """
        family = self._families[self._places[id].kin]
        group: dict[str, T] = {}
        for other, item in family.items():
            if len(group) == self.max_size - (id not in group):
                break
            group[other] = item
        group[id] = family[id]
        for other in group:
            self.leave(other)
        return list(group.values())
