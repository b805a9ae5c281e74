"""What the nouns share: conflicts as our errors, and the SQL of a walk from a cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

from hearth.errors import Conflict
from hearth.store.base import Cursor
from hearth.store.paging import span

_KEYS = (apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_FOREIGNKEY)


def insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def fetch(db: apsw.Connection, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    return db.execute(sql, args).fetchall()


def first(db: apsw.Connection, sql: str, args: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    return db.execute(sql, args).fetchone()


@contextmanager
def conflict(message: str) -> Iterator[None]:
    """A taken key, or a reference to nothing, as Conflict with this message."""
    try:
        yield
    except apsw.ConstraintError as error:
        if error.extendedresult not in _KEYS:  # type: ignore[attr-defined] # apsw sets it, its stubs forgot it
            raise
        raise Conflict(message) from error


def walk(
    db: apsw.Connection,
    select: str,
    alias: str,
    where: Sequence[str],
    args: Sequence[Any],
    limit: int,
    cursor: Cursor | None,
    after: float | None = None,
    before: float | None = None,
    *,
    by: tuple[str, str] = ("created_at", "id"),
    ascending: bool = False,
) -> list[tuple[Any, ...]]:
    """Up to `limit + 1` rows beyond the cursor, in walking order. `where` are conditions joined by AND.

    `by`: the columns of the order, a time and a key. `ascending`: oldest first.
    """
    conditions, values = list(where), list(args)
    time, key = (f"{alias}.{column}" for column in by)
    for position, beyond in zip(span(cursor, after, before, ascending=ascending), "><", strict=True):
        if position is not None:
            conditions.append(f"({time}, {key}) {beyond} (?, ?)")
            values += position
    direction = "ASC" if ascending != (cursor is not None and cursor.reverse) else "DESC"
    filters = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"{select}{filters} ORDER BY {time} {direction}, {key} {direction} LIMIT ?"
    return fetch(db, sql, (*values, limit + 1))
