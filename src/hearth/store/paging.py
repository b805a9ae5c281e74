"""Pages from cursors, the same for every list: walk an index beyond a position, one row more than asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from hearth.store.base import Cursor, Page

T = TypeVar("T")


Position = tuple[float, str]


def span(
    cursor: Cursor | None, after: float | None = None, before: float | None = None, *, ascending: bool = False
) -> tuple[Position | None, Position | None]:
    """The two positions that a page's rows lie strictly between: the cursor's and the caller's bounds in one.

    One pair, because an index walk starts at one position, however many conditions there are. `after` is
    inclusive, `before` exclusive: no id sorts before the empty one.
    """
    low = None if after is None else (after, "")
    high = None if before is None else (before, "")
    if cursor is not None:
        at = (cursor.at, cursor.id)
        if cursor.reverse != ascending:
            low = at if low is None else max(low, at)
        else:
            high = at if high is None else min(high, at)
    return low, high


def page(
    found: list[T],
    limit: int,
    cursor: Cursor | None,
    position: Callable[[T], Position],
    *,
    ascending: bool = False,
) -> Page[T]:
    """`found`: up to `limit + 1` rows in walking order. `position`: the `(time, id)` that the list is sorted by.

    `ascending`: the list goes oldest first, so what follows (`older`) is newer.
    """
    items, more = found[:limit], len(found) > limit
    if cursor is None:
        return Page(items, Cursor(*position(items[-1])) if more else None, None)
    if not items:
        # The way back starts at the cursor's own row, which a cursor by itself would step over.
        onward, back = (-math.inf, math.inf) if ascending else (math.inf, -math.inf)
        if cursor.reverse:
            return Page([], Cursor(math.nextafter(cursor.at, onward), ""), None)
        return Page([], None, Cursor(math.nextafter(cursor.at, back), "", reverse=True))
    if cursor.reverse:
        items.reverse()
    older = Cursor(*position(items[-1])) if more or cursor.reverse else None
    newer = Cursor(*position(items[0]), reverse=True) if more or not cursor.reverse else None
    return Page(items, older, newer)
