from __future__ import annotations

from hearth.store.base import Cursor
from hearth.store.paging import page

Row = tuple[float, str]


def walked(rows: list[Row], limit: int, cursor: Cursor | None) -> list[Row]:
    """What a store's index walk finds."""
    if cursor is None:
        return sorted(rows, reverse=True)[: limit + 1]
    at = (cursor.at, cursor.id)
    if cursor.reverse:
        return sorted(row for row in rows if row > at)[: limit + 1]
    return sorted((row for row in rows if row < at), reverse=True)[: limit + 1]


def paged(rows: list[Row], limit: int, cursor: Cursor | None = None):
    return page(walked(rows, limit, cursor), limit, cursor, lambda row: row)


def test_an_empty_list_is_one_empty_page():
    assert paged([], 3) == page([], 3, None, lambda row: row)
    assert (paged([], 3).items, paged([], 3).older, paged([], 3).newer) == ([], None, None)


def test_every_walk_meets_every_row_once():
    rows = [(float(n // 3), f"{n:02}") for n in range(10)]
    for limit in range(1, 12):
        seen, cursor = [], None
        while True:
            found = paged(rows, limit, cursor)
            seen += found.items
            if found.older is None:
                break
            cursor = found.older
        assert seen == sorted(rows, reverse=True)
        if found.newer is None:
            continue
        seen = [found.items]
        while (cursor := found.newer) is not None:
            found = paged(rows, limit, cursor)
            seen.insert(0, found.items)
        assert [row for items in seen for row in items] == sorted(rows, reverse=True)


def test_an_empty_page_leads_back_to_the_row_it_came_from():
    row = (5.0, "m")
    before = paged([row], 3, Cursor(*row, reverse=True))
    assert (before.items, before.newer) == ([], None)
    assert paged([row], 3, before.older).items == [row]
    behind = paged([row], 3, Cursor(*row))
    assert (behind.items, behind.older) == ([], None)
    assert paged([row], 3, behind.newer).items == [row]
