"""Who is next: accounts take turns, and each account's own predictions keep their order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK = 1000
"""Places beyond this are not counted: the cost of an explanation stays bounded."""

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Line(Generic[T]):
    """One waiting line, fair between accounts. Keys are unique in it."""

    __slots__ = ("_accounts", "_size")

    def __init__(self) -> None:
        self._accounts: OrderedDict[str, OrderedDict[str, T]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, account: str, key: str, item: T) -> None:
        """To the end of the account's own line. A new account is served after those already there."""
        self._accounts.setdefault(account, OrderedDict())[key] = item
        self._size += 1

    def push_front(self, account: str, key: str, item: T) -> None:
        """Back to the very front: work that was handed out and came back."""
        own = self._accounts.setdefault(account, OrderedDict())
        own[key] = item
        own.move_to_end(key, last=False)
        self._accounts.move_to_end(account, last=False)
        self._size += 1

    def pop(self) -> T:
        """The next item; its account then goes behind the others. Raises IndexError on an empty line."""
        if not self._size:
            raise IndexError("nobody waits")
        account, own = next(iter(self._accounts.items()))
        _, item = own.popitem(last=False)
        if own:
            self._accounts.move_to_end(account)
        else:
            del self._accounts[account]
        self._size -= 1
        return item

    def remove(self, account: str, key: str) -> bool:
        """False if it does not wait here."""
        own = self._accounts.get(account)
        if own is None or own.pop(key, None) is None:
            return False
        if not own:
            del self._accounts[account]
        self._size -= 1
        return True

    def heads(self) -> Iterator[T]:
        """The first item of each account: the oldest of all is among them."""
        return (next(iter(own.values())) for own in self._accounts.values())

    def __iter__(self) -> Iterator[T]:
        """Every item, in no particular order."""
        return (item for own in self._accounts.values() for item in own.values())

    def position(self, account: str, key: str) -> int | None:
        """How many are served before this one if nobody else comes; None if it is not here or farther than LOOK."""
        own = self._accounts.get(account)
        if own is None or key not in own:
            return None
        index = 0
        for other in own:
            if other == key:
                break
            index += 1
            if index > LOOK:
                return None
        ahead = index
        before = True
        for name, items in self._accounts.items():
            if name == account:
                before = False
            else:
                ahead += min(len(items), index + 1 if before else index)
        return ahead


def place(ahead: int | None) -> str:
    """`second in line`, from how many are ahead."""
    if ahead is None:
        return f"more than {LOOK} ahead in line"
    return f"{_ORDINALS[ahead]} in line" if ahead < len(_ORDINALS) else f"number {ahead + 1} in line"
