"""What is wanted of the scheduler, and what it decided."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from hearth.domain.decision import Decided
from hearth.domain.scaling import Scaling
from hearth.errors import Conflict
from hearth.store.rows import DECISION, SCALING, decision_of, decision_row, scaling_of, scaling_row
from hearth.store.sqlite.sql import fetch, first, insert
from hearth.store.sqlite.threads import Readers, Writer

_COLUMNS = ", ".join(SCALING)
PUT = f"""
INSERT OR REPLACE INTO scalings ({_COLUMNS}, model_id, deployment_id)
SELECT {", ".join(f"?{n}" for n in range(1, len(SCALING) + 1))}, m.id, d.id
FROM (SELECT ?1 AS id) t LEFT JOIN models m ON m.id = t.id LEFT JOIN deployments d ON d.id = t.id
WHERE m.id IS NOT NULL OR d.id IS NOT NULL
"""
GET = f"SELECT {_COLUMNS} FROM scalings WHERE target = ?"
REMOVE = "DELETE FROM scalings WHERE target = ?"
ALL = f"SELECT {_COLUMNS} FROM scalings ORDER BY target"
ADD = insert("decisions", DECISION)
FORGET = "DELETE FROM decisions WHERE id <= (SELECT id FROM decisions ORDER BY id DESC LIMIT 1 OFFSET ?)"
LATEST = f"SELECT {', '.join(DECISION)} FROM decisions ORDER BY id DESC LIMIT ?"


class SQLiteScalings:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def put(self, scaling: Scaling) -> None:
        def operation(db: apsw.Connection) -> None:
            db.execute(PUT, scaling_row(scaling))
            if not db.changes():
                raise Conflict("This model or deployment does not exist any more.")

        await self._writer.submit(operation)

    async def get(self, target: str) -> Scaling | None:
        row = await self._readers.submit(lambda db: first(db, GET, (target,)))
        return scaling_of(row) if row else None

    async def remove(self, target: str) -> bool:
        def operation(db: apsw.Connection) -> bool:
            db.execute(REMOVE, (target,))
            return db.changes() > 0

        return await self._writer.submit(operation)

    async def all(self) -> list[Scaling]:
        return [scaling_of(row) for row in await self._readers.submit(lambda db: fetch(db, ALL))]


class SQLiteDecisions:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, decisions: Sequence[Decided], keep: int) -> None:
        def operation(db: apsw.Connection) -> None:
            db.executemany(ADD, [decision_row(each) for each in decisions])
            db.execute(FORGET, (keep,))

        await self._writer.submit(operation)

    async def latest(self, limit: int) -> list[Decided]:
        return [decision_of(row) for row in await self._readers.submit(lambda db: fetch(db, LATEST, (limit,)))]
