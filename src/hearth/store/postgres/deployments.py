"""Deployments and their releases."""

from __future__ import annotations

from hearth.domain.deployment import Deployment, Release, ReleaseState
from hearth.store.base import Cursor, Page
from hearth.store.paging import page
from hearth.store.postgres.database import Database, changed, clean, conflict, insert, walk
from hearth.store.rows import DEPLOYMENT, RELEASE, deployment_of, release_of, release_row, select

INSERT = insert("deployments", (*DEPLOYMENT, "current", "serving"))
INSERT_RELEASE = insert("releases", ("deployment_id", *RELEASE))
SELECT = f"""
SELECT {select(DEPLOYMENT, "d")}, {select(RELEASE, "c")}, {select(RELEASE, "s")}
FROM deployments d JOIN releases c ON c.deployment_id = d.id AND c.number = d.current
LEFT JOIN releases s ON s.deployment_id = d.id AND s.number = d.serving
"""
GET = f"{SELECT} WHERE d.owner = $1 AND d.name = $2"
BY_ID = f"{SELECT} WHERE d.id = $1"
WANTED = f"{SELECT} WHERE c.state = 'rolling_out' OR s.min_instances > 0 OR s.number IS NULL"
MOVE = "UPDATE deployments SET current = $1, serving = $2 WHERE id = $3 AND current = $4"
JUDGE = """
WITH newest AS (
    SELECT id FROM deployments WHERE id = $1 AND current = $2 FOR UPDATE
), judged AS (
    UPDATE releases r SET state = $3, because = $4 FROM newest WHERE r.deployment_id = newest.id AND r.number = $2
)
UPDATE deployments d SET serving = CASE WHEN $3 = 'live' THEN $2 ELSE d.serving END FROM newest WHERE d.id = newest.id
"""
RELEASES = f"SELECT {select(RELEASE, 'r')} FROM releases r WHERE r.deployment_id = $1 ORDER BY r.number DESC LIMIT $2"
RELEASE_OF = f"SELECT {select(RELEASE, 'r')} FROM releases r WHERE r.deployment_id = $1 AND r.number = $2"
DELETE = "DELETE FROM deployments WHERE id = $1"
LAST_USED = """
SELECT max(coalesce(completed_at, 'infinity')) FROM (
    SELECT completed_at FROM predictions WHERE deployment = $1 ORDER BY created_at DESC LIMIT 100
) latest
"""


class PostgresDeployments:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, deployment: Deployment) -> None:
        d = deployment
        row = (d.id, d.account_id, d.owner, d.name, d.created_at, d.current.number, _number(d))
        with conflict(f"The deployment {d.full_name} exists already."):
            async with self._database.transaction() as connection:
                await connection.execute(INSERT, *clean(row))
                await connection.execute(INSERT_RELEASE, d.id, *clean(release_row(d.current)))

    async def get(self, owner: str, name: str) -> Deployment | None:
        row = await self._database.first(GET, owner, name)
        return deployment_of(row) if row else None

    async def by_id(self, id: str) -> Deployment | None:
        row = await self._database.first(BY_ID, id)
        return deployment_of(row) if row else None

    async def page(self, account_id: str, *, limit: int = 100, cursor: Cursor | None = None) -> Page[Deployment]:
        rows = await walk(self._database, SELECT, "d", [("d.account_id = {}", account_id)], limit, cursor)
        return page([deployment_of(row) for row in rows], limit, cursor, lambda d: (d.created_at, d.id))

    async def release(self, deployment: Deployment) -> bool:
        d, number = deployment, deployment.current.number
        async with self._database.transaction() as connection:
            if not changed(await connection.execute(MOVE, number, _number(d), d.id, number - 1)):
                return False
            await connection.execute(INSERT_RELEASE, d.id, *clean(release_row(d.current)))
            return True

    async def releases(self, id: str, limit: int = 100) -> list[Release]:
        return [release_of(row) for row in await self._database.fetch(RELEASES, id, limit)]

    async def release_of(self, id: str, number: int) -> Release | None:
        row = await self._database.first(RELEASE_OF, id, number)
        return release_of(row) if row else None

    async def judge(self, id: str, number: int, state: ReleaseState, because: str) -> bool:
        return await self._database.execute(JUDGE, id, number, state.value, because) > 0

    async def delete(self, id: str) -> bool:
        return await self._database.execute(DELETE, id) > 0

    async def wanted(self) -> list[Deployment]:
        return [deployment_of(row) for row in await self._database.fetch(WANTED)]

    async def last_used(self, full_name: str) -> float | None:
        row = await self._database.first(LAST_USED, full_name)
        return row[0] if row else None


def _number(deployment: Deployment) -> int | None:
    return None if deployment.serving is None else deployment.serving.number
