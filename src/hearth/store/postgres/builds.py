"""Builds and their logs."""

from __future__ import annotations

from hearth.domain.model import Build, BuildState
from hearth.store.postgres.database import Database, clean, conflict, insert
from hearth.store.postgres.garbage import COUNTED_ON
from hearth.store.rows import BUILD, build_of, build_row, select

INSERT = insert("builds", BUILD)
GET = f"SELECT {select(BUILD, 'b')} FROM builds b WHERE b.id = $1"
MOVE = """
UPDATE builds SET state = $1, completed_at = $2, version_id = coalesce($3, version_id), error = $4, hint = $5
WHERE id = $6 AND completed_at IS NULL
"""
PENDING = f"""
SELECT {select(BUILD, "b")} FROM builds b WHERE b.state IN ('queued', 'running') ORDER BY b.created_at, b.id
"""
APPEND_LOG = "INSERT INTO build_logs (build_id, text) VALUES ($1, $2)"
LOG = "SELECT text FROM build_logs WHERE build_id = $1 ORDER BY number"


class PostgresBuilds:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, build: Build) -> None:
        with conflict(f"There is a build {build.id} already."):
            async with self._database.transaction() as connection:
                await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", COUNTED_ON)
                await connection.execute(INSERT, *clean(build_row(build)))

    async def get(self, id: str) -> Build | None:
        row = await self._database.first(GET, id)
        return build_of(row) if row else None

    async def move(
        self,
        id: str,
        state: BuildState,
        *,
        at: float,
        version_id: str | None = None,
        error: str | None = None,
        hint: str | None = None,
    ) -> bool:
        completed_at = at if state.terminal else None
        return await self._database.execute(MOVE, state.value, completed_at, version_id, error, hint, id) > 0

    async def pending(self) -> list[Build]:
        return [build_of(row) for row in await self._database.fetch(PENDING)]

    async def append_log(self, id: str, text: str) -> None:
        with conflict(f"There is no build {id}."):
            await self._database.execute(APPEND_LOG, id, text)

    async def log(self, id: str) -> str:
        return "".join([text for (text,) in await self._database.fetch(LOG, id)])
