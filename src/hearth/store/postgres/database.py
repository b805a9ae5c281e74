"""The connections to PostgreSQL: a pool, its errors as ours, the migrations."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from hearth.errors import Conflict, Unavailable
from hearth.store.base import Cursor
from hearth.store.migrations import load, missing
from hearth.store.paging import span

T = TypeVar("T")

MIGRATION_LOCK = 0x4845415254480001
"""Key of the advisory lock under which one server at a time migrates: `HEARTH` and a number."""
CONNECTIONS = 16
PATIENCE = 30.0
"""Seconds after which a connect or a statement counts as lost."""

_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a statement meets on a connection that is just being ended
)

log = logging.getLogger(__name__)


class Database:
    """A statement outside `transaction` is a transaction of its own, in one round trip.

    Raises Unavailable while the server is away; connections come back by themselves once it is there.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._started: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        with self._reachable():
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=CONNECTIONS,
                timeout=PATIENCE,
                command_timeout=PATIENCE,
                reset=_keep,
                server_settings={"application_name": "hearth"},
            )
        try:
            await self._migrate()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what was started, then disconnect."""
        if self._started:
            await asyncio.wait(self._started)
        if self._pool is not None:
            await self._pool.close()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Begin now; whoever awaits the result may be cancelled, the work is not."""
        task = asyncio.ensure_future(work)
        self._started.add(task)
        task.add_done_callback(self._started.discard)
        return asyncio.shield(task)

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        async with self.transaction(single=True) as connection:
            rows: list[Any] = await connection.fetch(sql, *clean(args))
            return rows

    async def first(self, sql: str, *args: Any) -> Any | None:
        async with self.transaction(single=True) as connection:
            return await connection.fetchrow(sql, *clean(args))

    async def execute(self, sql: str, *args: Any) -> int:
        """How many rows the statement changed."""
        async with self.transaction(single=True) as connection:
            return changed(await connection.execute(sql, *clean(args)))

    @contextlib.asynccontextmanager
    async def transaction(self, *, single: bool = False) -> AsyncIterator[Any]:
        """A connection, inside BEGIN and COMMIT unless a `single` statement makes its own."""
        if self._pool is None:
            raise Unavailable("The store is closed.")
        with self._reachable():
            async with self._pool.acquire() as connection:
                if single:
                    yield connection
                else:
                    async with connection.transaction():
                        yield connection

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except _LOST as error:
            raise Unavailable(
                f"PostgreSQL at {urlsplit(self._url).hostname or 'the local socket'} cannot be used: {error}",
                hint="Start it, or correct the database URL; a running Hearth connects again by itself.",
            ) from error

    async def _migrate(self) -> None:
        async with self.transaction(single=True) as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
            try:
                await _apply(connection)
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def _apply(connection: Any) -> None:
    """Apply what is missing, each migration in a transaction of its own."""
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (number bigint PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    applied = await connection.fetchval("SELECT coalesce(max(number), 0) FROM migrations")
    for migration in missing(load("hearth.store.postgres"), applied):
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (number, name) VALUES ($1, $2)", migration.number, migration.name
            )
        log.info("store.migrated: applied %s", migration.name)


async def _keep(connection: Any) -> None:
    """We leave no state in a session, so there is nothing to reset: a round trip less per statement."""


def clean(args: Sequence[Any]) -> list[Any]:
    """PostgreSQL's text has no NUL: it becomes U+FFFD. (JSON escapes it and keeps it.)"""
    return [arg.replace("\0", "\ufffd") if type(arg) is str and "\0" in arg else arg for arg in args]


def changed(status: str) -> int:
    """The row count of a command tag, `UPDATE 3`."""
    match = re.search(r"(\d+)$", status)
    return int(match[1]) if match else 0


@contextlib.contextmanager
def conflict(message: str) -> Iterator[None]:
    """A taken key, or a reference to nothing, as Conflict with this message."""
    try:
        yield
    except (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError) as error:
        raise Conflict(message) from error


def insert(table: str, columns: Sequence[str]) -> str:
    places = ", ".join([f"${n}" for n in range(1, len(columns) + 1)])
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"


async def walk(
    database: Database,
    select: str,
    alias: str,
    where: Sequence[tuple[str, Any]],
    limit: int,
    cursor: Cursor | None,
    after: float | None = None,
    before: float | None = None,
    *,
    by: tuple[str, str] = ("created_at", "id"),
    ascending: bool = False,
) -> list[Any]:
    """Up to `limit + 1` rows beyond the cursor, in walking order.

    `where` are conditions joined by AND, `{}` standing for the value of each; one without value takes none.
    `by`: the columns of the order, a time and a key. `ascending`: oldest first.
    """
    args: list[Any] = []

    def place(value: Any) -> str:
        args.append(value)
        return f"${len(args)}"

    conditions = [condition.format(place(value)) if "{}" in condition else condition for condition, value in where]
    time, key = (f"{alias}.{column}" for column in by)
    for position, beyond in zip(span(cursor, after, before, ascending=ascending), "><", strict=True):
        if position is not None:
            conditions.append(f"({time}, {key}) {beyond} ({place(position[0])}, {place(position[1])})")
    direction = "ASC" if ascending != (cursor is not None and cursor.reverse) else "DESC"
    filters = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"{select}{filters} ORDER BY {time} {direction}, {key} {direction} LIMIT {place(limit + 1)}"
    return await database.fetch(sql, *args)
