"""Deployments and their releases."""

from __future__ import annotations

import apsw

from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.rows import DEPLOYMENT, RELEASE, deployment_of, release_of, release_row, select
from hearth.store.sqlite.sql import conflict, fetch, first, insert, walk
from hearth.store.sqlite.threads import Readers, Writer

INSERT = insert("deployments", (*DEPLOYMENT, "current", "serving"))
INSERT_RELEASE = insert("releases", ("deployment_id", *RELEASE))
SELECT = f"""
SELECT {select(DEPLOYMENT, "d")}, {select(RELEASE, "c")}, {select(RELEASE, "s")}
FROM deployments d JOIN releases c ON c.deployment_id = d.id AND c.number = d.current
LEFT JOIN releases s ON s.deployment_id = d.id AND s.number = d.serving
"""
GET = f"{SELECT} WHERE d.owner = ? AND d.name = ?"
BY_ID = f"{SELECT} WHERE d.id = ?"
WANTED = f"{SELECT} WHERE c.state = 'rolling_out' OR s.min_instances > 0 OR s.number IS NULL"
MOVE = "UPDATE deployments SET current = ?, serving = ? WHERE id = ? AND current = ?"
JUDGE = """
UPDATE releases SET state = ?, because = ?
WHERE deployment_id = ? AND number = ? AND number = (SELECT current FROM deployments WHERE id = deployment_id)
"""
SERVE = "UPDATE deployments SET serving = ? WHERE id = ?"
RELEASES = f"SELECT {select(RELEASE, 'r')} FROM releases r WHERE r.deployment_id = ? ORDER BY r.number DESC LIMIT ?"
RELEASE_OF = f"SELECT {select(RELEASE, 'r')} FROM releases r WHERE r.deployment_id = ? AND r.number = ?"
DELETE = "DELETE FROM deployments WHERE id = ?"
LAST_USED = """
SELECT max(coalesce(completed_at, 9e999)) FROM (
    SELECT completed_at FROM predictions WHERE deployment = ? ORDER BY created_at DESC LIMIT 100
)
"""


class SQLiteDeployments:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def create(self, deployment: Deployment) -> None:
        d = deployment
        row = (d.id, d.account_id, d.owner, d.name, d.created_at, d.current.number, _number(d))

        def operation(db: apsw.Connection) -> None:
            with conflict(f"The deployment {d.full_name} exists already."):
                db.execute(INSERT, row)
            db.execute(INSERT_RELEASE, (d.id, *release_row(d.current)))

        await self._writer.submit(operation)

    async def get(self, owner: str, name: str) -> Deployment | None:
        row = await self._readers.submit(lambda db: first(db, GET, (owner, name)))
        return deployment_of(row) if row else None

    async def by_id(self, id: str) -> Deployment | None:
        row = await self._readers.submit(lambda db: first(db, BY_ID, (id,)))
        return deployment_of(row) if row else None

    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Deployment]:
        where = ["d.account_id = ?"]
        rows = await self._readers.submit(lambda db: walk(db, SELECT, "d", where, [account_id], limit, cursor))
        return page([deployment_of(row) for row in rows], limit, cursor, lambda d: (d.created_at, d.id))

    async def release(self, deployment: Deployment) -> bool:
        d, number = deployment, deployment.current.number

        def operation(db: apsw.Connection) -> bool:
            db.execute(MOVE, (number, _number(d), d.id, number - 1))
            if not db.changes():
                return False
            db.execute(INSERT_RELEASE, (d.id, *release_row(d.current)))
            return True

        return await self._writer.submit(operation)

    async def releases(self, id: str, limit: int = 100) -> list[Release]:
        rows = await self._readers.submit(lambda db: fetch(db, RELEASES, (id, limit)))
        return [release_of(row) for row in rows]

    async def release_of(self, id: str, number: int) -> Release | None:
        row = await self._readers.submit(lambda db: first(db, RELEASE_OF, (id, number)))
        return release_of(row) if row else None

    async def judge(self, id: str, number: int, state: ReleaseState, because: str) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(JUDGE, (state.value, because, id, number))
            if not db.changes():
                return False
            if state is ReleaseState.LIVE:
                db.execute(SERVE, (number, id))
            return True

        return await self._writer.submit(operation)

    async def delete(self, id: str) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(DELETE, (id,))
            return db.changes() > 0

        return await self._writer.submit(operation)

    async def wanted(self) -> list[Deployment]:
        rows = await self._readers.submit(lambda db: fetch(db, WANTED))
        return [deployment_of(row) for row in rows]

    async def last_used(self, full_name: str) -> float | None:
        row = await self._readers.submit(lambda db: first(db, LAST_USED, (full_name,)))
        return row[0] if row else None


def _number(deployment: Deployment) -> int | None:
    return None if deployment.serving is None else deployment.serving.number
