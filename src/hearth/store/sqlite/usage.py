"""What was used, and samples of how it went."""

from __future__ import annotations

from collections.abc import Mapping

import apsw

from hearth.domain.sample import Sample
from hearth.domain.usage import Used
from hearth.store.rows import sample_of, to_json, used_of
from hearth.store.sqlite.sql import fetch
from hearth.store.sqlite.threads import Readers, Writer

OF_ACCOUNT = """
SELECT day, kind, model, deployment, hardware, count, failed, seconds FROM usage
WHERE account_id = ? AND day BETWEEN ? AND ? ORDER BY day DESC, seconds DESC, model, kind, deployment, hardware
"""
ADD = "INSERT OR REPLACE INTO samples (subject, at, engine, data) VALUES (?, ?, ?, ?)"
OF = "SELECT data FROM samples WHERE subject = ? AND at >= ? ORDER BY at, engine"
EXPIRE = """
DELETE FROM samples WHERE (subject, at, engine) IN (
    SELECT subject, at, engine FROM samples WHERE at < ? ORDER BY at LIMIT ?
)
"""


class SQLiteUsage:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._readers = readers

    async def of_account(self, account_id: str, first: int, last: int) -> list[Used]:
        rows = await self._readers.submit(lambda db: fetch(db, OF_ACCOUNT, (account_id, first, last)))
        return [used_of(row) for row in rows]


class SQLiteSamples:
    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    async def add(self, engine: str, samples: Mapping[str, Sample]) -> None:
        rows = [(subject, sample.at, engine, to_json(sample)) for subject, sample in samples.items()]
        await self._writer.submit(lambda db: db.executemany(ADD, rows) and None)

    async def of(self, subject: str, since: float) -> list[Sample]:
        rows = await self._readers.submit(lambda db: fetch(db, OF, (subject, since)))
        return [sample_of(row) for row in rows]

    async def expire(self, before: float, limit: int) -> int:
        def operation(db: apsw.Connection) -> int:
            db.execute(EXPIRE, (before, limit))
            return db.changes()

        return await self._writer.submit(operation)
