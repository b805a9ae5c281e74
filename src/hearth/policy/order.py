"""Who is next: the more urgent class first, in a class accounts take turns, an account's own keep their order.

What bounds the wait of a prediction, in a line where every run ends:

1. Once it has waited the `AGES` of its class it goes with the interactive ones. From then on nothing of its own
   account that comes later is served before it.
2. Among those who wait in a class, the account with the fewest running is served, and of equal ones the one whose
   last turn is longest ago. So an account that has nothing running waits for at most one turn of each other account,
   and one that is passed over has more running than the one that is served.

Hence a prediction with m of its own account before it in its class and nothing running there, among n other accounts,
starts after at most (m + 1) x n + m others, however many come meanwhile. `tests/unit/policy/test_order.py` holds it
to that. Each call costs O(log n); `position` looks at `LOOK` places and every account at most.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Iterator
from itertools import count
from typing import Generic, TypeVar

from hearth.domain.priority import URGENCY, Priority, matures

T = TypeVar("T")

LOOK = 1000
"""Places beyond this are not counted: the cost of an explanation stays bounded."""

RESERVE = 300.0
"""Seconds for which a lane that got interactive work keeps a slot from batch work."""

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class _Waiting(Generic[T]):
    __slots__ = ("account", "at", "item", "key", "priority")

    def __init__(self, account: str, key: str, item: T, priority: Priority, at: float) -> None:
        self.account, self.key, self.item, self.priority = account, key, item, priority
        self.at = at
        """When it counts as interactive."""


class _Class(Generic[T]):
    """Those of one class who wait, and how many of each account run."""

    __slots__ = ("_heap", "_numbers", "_own", "_running", "_turns", "all")

    def __init__(self) -> None:
        self.all: OrderedDict[str, _Waiting[T]] = OrderedDict()
        """By `at`."""
        self._own: dict[str, OrderedDict[str, _Waiting[T]]] = {}
        self._running: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        self._numbers = count()
        self._heap: list[tuple[int, int, str]] = []
        """Running, turn and account; an entry that is not up to date is passed over."""

    def add(self, waiting: _Waiting[T]) -> None:
        """A new account is served after those already there."""
        own = self._own.get(waiting.account)
        if own is None:
            own = self._own[waiting.account] = OrderedDict()
            self._turn(waiting.account)
        _insert(own, waiting)
        _insert(self.all, waiting)

    def pop(self) -> _Waiting[T]:
        while True:
            running, turn, account = self._heap[0]
            if self._turns.get(account) == turn and self._running.get(account, 0) == running:
                break
            heapq.heappop(self._heap)
        waiting = next(iter(self._own[account].values()))
        self.remove(waiting)
        self.took(account)
        if account in self._own:
            self._turn(account)
        return waiting

    def remove(self, waiting: _Waiting[T]) -> None:
        del self.all[waiting.key]
        own = self._own[waiting.account]
        del own[waiting.key]
        if not own:
            del self._own[waiting.account], self._turns[waiting.account]

    def took(self, account: str) -> None:
        self._running[account] = self._running.get(account, 0) + 1
        self._rank(account)

    def gave(self, account: str) -> None:
        left = self._running[account] - 1
        if left:
            self._running[account] = left
        else:
            del self._running[account]
        self._rank(account)

    def _turn(self, account: str) -> None:
        self._turns[account] = next(self._numbers)
        self._rank(account)

    def _rank(self, account: str) -> None:
        """Where an account stands that waits; old entries are cleared out when they are the majority."""
        if account not in self._turns:
            return
        heapq.heappush(self._heap, (self._running.get(account, 0), self._turns[account], account))
        if len(self._heap) > 2 * len(self._turns) + 16:
            self._heap = [(self._running.get(name, 0), turn, name) for name, turn in self._turns.items()]
            heapq.heapify(self._heap)

    def heads(self) -> Iterator[T]:
        return (next(iter(own.values())).item for own in self._own.values())

    def ahead(self, waiting: _Waiting[T], extra: Counter[str]) -> int | None:
        """How many of this class are served before it if nobody comes and nothing ends. `extra`: who runs before all
        of them, by account."""
        index = 0
        for key in self._own[waiting.account]:
            if key == waiting.key:
                break
            index += 1
            if index > LOOK:
                return None
        mine = self._running.get(waiting.account, 0) + extra[waiting.account]
        turn = self._turns[waiting.account]
        ahead = index
        for account, items in self._own.items():
            if account == waiting.account:
                continue
            # With as many running, those who began with more are first, then those whose turn is older.
            running = self._running.get(account, 0) + extra[account]
            first = (-running, self._turns[account]) < (-mine, turn)
            ahead += min(max(mine + index - running + first, 0), len(items))
        return ahead


def _insert(line: OrderedDict[str, _Waiting[T]], waiting: _Waiting[T]) -> None:
    """By `at`. Nearly always that is the end; not where what was waiting in the store is taken over late."""
    later = []
    for key in reversed(line):
        if line[key].at <= waiting.at:
            break
        later.append(key)
    line[waiting.key] = waiting
    for key in reversed(later):
        line.move_to_end(key)


class Line(Generic[T]):
    """One waiting line. Keys are unique in it. `now` is wall time, as predictions have it."""

    __slots__ = ("_classes", "_depth", "_returned", "_running")

    def __init__(self) -> None:
        self._classes: tuple[_Class[T], ...] = tuple(_Class() for _ in Priority)
        self._returned: OrderedDict[str, _Waiting[T]] = OrderedDict()
        """Handed out before, and come back: they are first."""
        self._running: dict[str, tuple[_Class[T], str]] = {}
        """By key: the class that it was served in, and its account."""
        self._depth = dict.fromkeys(Priority, 0)

    def __len__(self) -> int:
        top, middle, low = self._classes
        return len(self._returned) + len(top.all) + len(middle.all) + len(low.all)

    def push(self, account: str, key: str, item: T, priority: Priority, created_at: float, now: float) -> None:
        """To its place: usually the end of its account's own line."""
        self._age(now)
        waiting = _Waiting(account, key, item, priority, matures(priority, created_at))
        self._classes[0 if waiting.at <= now else URGENCY[priority]].add(waiting)
        self._depth[priority] += 1

    def push_front(self, account: str, key: str, item: T, priority: Priority) -> None:
        """Back to the very front: work that was handed out and came back."""
        self._returned[key] = _Waiting(account, key, item, priority, 0.0)
        self._returned.move_to_end(key, last=False)
        self._depth[priority] += 1

    def pop(self, now: float, *, batch: bool = True) -> T | None:
        """The next item, which then counts as running until `ended`. None if nobody waits, or, without `batch`, only
        batch work that has not come of age."""
        self._age(now)
        if self._returned:
            _, waiting = self._returned.popitem(last=False)
            self.took(waiting.account, waiting.key, waiting.priority)
        else:
            first = next((each for each in (self._classes if batch else self._classes[:-1]) if each.all), None)
            if first is None:
                return None
            waiting = first.pop()
            self._running[waiting.key] = (first, waiting.account)
        self._depth[waiting.priority] -= 1
        return waiting.item

    def took(self, account: str, key: str, priority: Priority) -> None:
        """It runs without having been popped."""
        if key not in self._running:
            its = self._classes[URGENCY[priority]]
            its.took(account)
            self._running[key] = (its, account)

    def ended(self, key: str) -> None:
        """It runs no longer."""
        found = self._running.pop(key, None)
        if found is not None:
            found[0].gave(found[1])

    def remove(self, key: str) -> bool:
        """False if it does not wait here."""
        waiting = self._returned.pop(key, None)
        if waiting is None:
            its = self._where(key)
            if its is None:
                return False
            waiting = its.all[key]
            its.remove(waiting)
        self._depth[waiting.priority] -= 1
        return True

    def heads(self) -> Iterator[T]:
        """The first item of each account in each class."""
        yield from (waiting.item for waiting in self._returned.values())
        for each in self._classes:
            yield from each.heads()

    def __iter__(self) -> Iterator[T]:
        """Every item, in no particular order."""
        yield from (waiting.item for waiting in self._returned.values())
        for each in self._classes:
            yield from (waiting.item for waiting in each.all.values())

    def depth(self, priority: Priority) -> int:
        """How many of this class wait."""
        return self._depth[priority]

    def within(self, priority: Priority) -> int:
        """How many wait that are as urgent or more: what less urgent work does not count for."""
        return sum(n for other, n in self._depth.items() if URGENCY[other] <= URGENCY[priority])

    def matures_next(self) -> float | None:
        """When the first of the batch work counts as interactive."""
        batch = self._classes[-1].all
        return next(iter(batch.values())).at if batch else None

    def position(self, key: str, now: float) -> int | None:
        """How many are served before this one if nobody else comes and nothing ends; None if it is not here or
        farther than LOOK."""
        self._age(now)
        if key in self._returned:
            return list(self._returned).index(key)
        its = self._where(key)
        if its is None:
            return None
        before = (each.account for each in self._returned.values() if self._classes[URGENCY[each.priority]] is its)
        ahead = its.ahead(its.all[key], Counter(before))
        if ahead is None:
            return None
        ahead += len(self._returned)
        for each in self._classes:
            if each is its:
                break
            ahead += len(each.all)
        return ahead if ahead <= LOOK else None

    def _where(self, key: str) -> _Class[T] | None:
        return next((each for each in self._classes if key in each.all), None)

    def _age(self, now: float) -> None:
        """What has come of age goes with the interactive ones; each does so once."""
        top = self._classes[0]
        for each in self._classes[1:]:
            while each.all and (oldest := next(iter(each.all.values()))).at <= now:
                each.remove(oldest)
                top.add(oldest)


def open_to_batch(slots: int, free: int, quiet: float) -> bool:
    """Whether batch work may take one of `free` slots, of `slots` in all. Where there was interactive work less than
    RESERVE seconds ago (`quiet`), the last free one is left to it. With a single slot there is nothing to share: there
    interactive work has the next turn, and that has to do."""
    return slots < 2 or free > 1 or quiet >= RESERVE


def place(ahead: int | None) -> str:
    """`second in line`, from how many are ahead."""
    if ahead is None:
        return f"more than {LOOK} ahead in line"
    return f"{_ORDINALS[ahead]} in line" if ahead < len(_ORDINALS) else f"number {ahead + 1} in line"
