"""Pages from cursors, the same for every list: walk an index beyond a position, one row more than asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from hearth.store.base import Cursor, Page

T = TypeVar("T")


def page(found: list[T], limit: int, cursor: Cursor | None, position: Callable[[T], tuple[float, str]]) -> Page[T]:
    """`found`: up to `limit + 1` rows in walking order. `position`: the `(time, id)` that the list is sorted by."""
    items, more = found[:limit], len(found) > limit
    if cursor is None:
        return Page(items, Cursor(*position(items[-1])) if more else None, None)
    if not items:
        # The way back starts at the cursor's own row, which a cursor by itself would step over.
        if cursor.reverse:
            return Page([], Cursor(math.nextafter(cursor.at, math.inf), ""), None)
        return Page([], None, Cursor(math.nextafter(cursor.at, -math.inf), "", reverse=True))
    if cursor.reverse:
        items.reverse()
    older = Cursor(*position(items[-1])) if more or cursor.reverse else None
    newer = Cursor(*position(items[0]), reverse=True) if more or not cursor.reverse else None
    return Page(items, older, newer)
