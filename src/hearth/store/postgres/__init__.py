"""The scale-out store: PostgreSQL, claims with SKIP LOCKED, one round trip per write on the hot path."""

from hearth.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
