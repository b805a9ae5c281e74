"""What is wanted of the scheduler, and what it decided."""

from __future__ import annotations

from collections.abc import Sequence

from hearth.domain.decision import Decided
from hearth.domain.scaling import Scaling
from hearth.errors import Conflict
from hearth.store.postgres.database import Database, clean, insert
from hearth.store.rows import DECISION, SCALING, decision_of, decision_row, scaling_of, scaling_row

_COLUMNS = ", ".join(SCALING)
PUT = f"""
INSERT INTO scalings ({_COLUMNS}, model_id, deployment_id)
SELECT {", ".join(f"${n}" for n in range(1, len(SCALING) + 1))}, m.id, d.id
FROM (SELECT $1::text COLLATE "C" AS id) t
LEFT JOIN models m ON m.id = t.id LEFT JOIN deployments d ON d.id = t.id
WHERE m.id IS NOT NULL OR d.id IS NOT NULL
ON CONFLICT (target) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in SCALING[1:])}
"""
GET = f"SELECT {_COLUMNS} FROM scalings WHERE target = $1"
REMOVE = "DELETE FROM scalings WHERE target = $1"
ALL = f"SELECT {_COLUMNS} FROM scalings ORDER BY target"
ADD = insert("decisions", DECISION)
FORGET = "DELETE FROM decisions WHERE id <= (SELECT id FROM decisions ORDER BY id DESC LIMIT 1 OFFSET $1)"
LATEST = f"SELECT {', '.join(DECISION)} FROM decisions ORDER BY id DESC LIMIT $1"


class PostgresScalings:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, scaling: Scaling) -> None:
        if not await self._database.execute(PUT, *scaling_row(scaling)):
            raise Conflict("This model or deployment does not exist any more.")

    async def get(self, target: str) -> Scaling | None:
        row = await self._database.first(GET, target)
        return scaling_of(row) if row else None

    async def remove(self, target: str) -> bool:
        return await self._database.execute(REMOVE, target) > 0

    async def all(self) -> list[Scaling]:
        return [scaling_of(row) for row in await self._database.fetch(ALL)]


class PostgresDecisions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, decisions: Sequence[Decided], keep: int) -> None:
        async with self._database.transaction() as connection:
            await connection.executemany(ADD, [clean(decision_row(each)) for each in decisions])
            await connection.execute(FORGET, keep)

    async def latest(self, limit: int) -> list[Decided]:
        return [decision_of(row) for row in await self._database.fetch(LATEST, limit)]
