"""The embedded store: SQLite in WAL mode, one writer thread with group commit, readers beside it."""

from hearth.store.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
