"""Builds and their logs."""

from __future__ import annotations

import apsw

from hearth.domain.model import Build, BuildState
from hearth.store.rows import BUILD, build_of, build_row, select
from hearth.store.sqlite.sql import conflict, fetch, first, insert
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("builds", BUILD)
GET = f"SELECT {select(BUILD, 'b')} FROM builds b WHERE b.id = ?"
MOVE = """
UPDATE builds SET state = ?, completed_at = ?, version_id = coalesce(?, version_id), error = ?, hint = ?
WHERE id = ? AND completed_at IS NULL
"""
PENDING = f"""
SELECT {select(BUILD, "b")} FROM builds b WHERE b.state IN ('queued', 'running') ORDER BY b.created_at, b.id
"""
APPEND_LOG = """
INSERT INTO build_logs SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM build_logs WHERE build_id = ?1
"""
LOG = "SELECT text FROM build_logs WHERE build_id = ? ORDER BY number"


class SQLiteBuilds:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def create(self, build: Build) -> None:
        row = build_row(build)

        def operation(db: apsw.Connection) -> None:
            with conflict(f"There is a build {build.id} already."):
                db.execute(INSERT, row)

        await self._writer.submit(operation)

    async def get(self, id: str) -> Build | None:
        row = await self._readers.submit(lambda db: first(db, GET, (id,)))
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

        def operation(db: apsw.Connection) -> bool:
            db.execute(MOVE, (state.value, completed_at, version_id, error, hint, id))
            return db.changes() > 0

        return await self._writer.submit(operation)

    async def pending(self) -> list[Build]:
        rows = await self._readers.submit(lambda db: fetch(db, PENDING))
        return [build_of(row) for row in rows]

    async def append_log(self, id: str, text: str) -> None:
        def operation(db: apsw.Connection) -> None:
            with conflict(f"There is no build {id}."):
                db.execute(APPEND_LOG, (id, text))

        await self._writer.submit(operation)

    async def log(self, id: str) -> str:
        rows = await self._readers.submit(lambda db: fetch(db, LOG, (id,)))
        return "".join([text for (text,) in rows])
