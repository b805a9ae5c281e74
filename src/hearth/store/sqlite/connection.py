"""Opening the database: the lock on its folder, the settings of a connection, the migrations."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

import apsw

from hearth.errors import Conflict
from hearth.store.migrations import Migration, missing

log = logging.getLogger(__name__)


class FolderLock:
    """Held by one server per database. The kernel lets go of it however the process ends."""

    def __init__(self, database: Path) -> None:
        """Makes the folder if there is none. Raises Conflict if another server has it."""
        database.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(database.with_name(database.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode().strip() or "unknown"
            os.close(self._file)
            raise Conflict(
                f"Another Hearth server (process {holder}) uses the data folder {database.parent}.",
                hint="Stop it first, or give this server a data folder of its own.",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._file)


def writing(database: Path) -> apsw.Connection:
    connection = apsw.Connection(str(database))
    connection.set_busy_timeout(5000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -8192")
    return connection


def reading(database: Path) -> apsw.Connection:
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5000)
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def migrate(connection: apsw.Connection, known: list[Migration]) -> None:
    """Apply what is missing, each migration in a transaction of its own. Raises Conflict for a newer database."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at REAL NOT NULL) STRICT"
    )
    applied = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").get
    for migration in missing(known, applied):
        with connection:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO migrations VALUES (?, ?, unixepoch('subsec'))", (migration.number, migration.name)
            )
        log.info("store.migrated: applied %s", migration.name)
