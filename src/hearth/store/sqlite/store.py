"""The store on SQLite: one file, one server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw

from hearth.store.migrations import load
from hearth.store.sqlite.accounts import SQLiteAccounts
from hearth.store.sqlite.batches import SQLiteBatches
from hearth.store.sqlite.boots import SQLiteBoots
from hearth.store.sqlite.breakdowns import SQLiteBreakdowns
from hearth.store.sqlite.builds import SQLiteBuilds
from hearth.store.sqlite.collections import SQLiteCollections
from hearth.store.sqlite.connection import FolderLock, migrate, reading, writing
from hearth.store.sqlite.deployments import SQLiteDeployments
from hearth.store.sqlite.examples import SQLiteExamples
from hearth.store.sqlite.files import SQLiteFiles
from hearth.store.sqlite.footprints import SQLiteFootprints
from hearth.store.sqlite.garbage import SQLiteGarbage
from hearth.store.sqlite.idempotency import SQLiteIdempotency
from hearth.store.sqlite.models import SQLiteModels, SQLiteVersions
from hearth.store.sqlite.outbox import SQLiteOutbox
from hearth.store.sqlite.predictions import SQLitePredictions
from hearth.store.sqlite.queue import SQLiteQueue
from hearth.store.sqlite.rates import SQLiteRates
from hearth.store.sqlite.removals import SQLiteRemovals
from hearth.store.sqlite.scheduling import SQLiteDecisions, SQLiteScalings
from hearth.store.sqlite.search import SQLiteSearch
from hearth.store.sqlite.sessions import SQLiteSessions
from hearth.store.sqlite.threads import Readers, Writer
from hearth.store.sqlite.usage import SQLiteSamples, SQLiteUsage

READERS = 2
PING = "INSERT INTO pings VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET number = pings.number + 1"


class SQLiteStore:
    """Every noun of the port, once `open` has returned."""

    predictions: SQLitePredictions
    queue: SQLiteQueue
    accounts: SQLiteAccounts
    models: SQLiteModels
    versions: SQLiteVersions
    removals: SQLiteRemovals
    garbage: SQLiteGarbage
    examples: SQLiteExamples
    collections: SQLiteCollections
    search: SQLiteSearch
    builds: SQLiteBuilds
    files: SQLiteFiles
    outbox: SQLiteOutbox
    deployments: SQLiteDeployments
    idempotency: SQLiteIdempotency
    rates: SQLiteRates
    scalings: SQLiteScalings
    decisions: SQLiteDecisions
    sessions: SQLiteSessions
    usage: SQLiteUsage
    samples: SQLiteSamples
    breakdowns: SQLiteBreakdowns
    footprints: SQLiteFootprints
    boots: SQLiteBoots
    batches: SQLiteBatches

    def __init__(self, path: Path) -> None:
        """`path` is the database file; beside it lie `-wal`, `-shm` and `.lock`."""
        self._path = path
        self._lock: FolderLock | None = None

    async def open(self) -> None:
        """Raises Conflict if another server uses the folder, or a newer Hearth wrote the database."""
        lock = FolderLock(self._path)
        try:
            writer, readers = await asyncio.to_thread(self._connect)
        except BaseException:
            lock.release()
            raise
        self._lock = lock
        loop = asyncio.get_running_loop()
        w = self._writer = Writer("store-writer", [writer], loop)
        r = self._readers = Readers("store-reader", readers, loop)
        self.predictions, self.queue, self.outbox = SQLitePredictions(w, r), SQLiteQueue(w, r), SQLiteOutbox(w, r)
        self.models, self.versions, self.builds = SQLiteModels(w, r), SQLiteVersions(w, r), SQLiteBuilds(w, r)
        self.garbage = SQLiteGarbage(w, r)
        self.removals, self.examples = SQLiteRemovals(w, r), SQLiteExamples(w, r)
        self.collections, self.search = SQLiteCollections(w, r), SQLiteSearch(w, r)
        self.accounts, self.files = SQLiteAccounts(w, r), SQLiteFiles(w, r)
        self.deployments = SQLiteDeployments(w, r)
        self.idempotency, self.rates = SQLiteIdempotency(w, r), SQLiteRates(w, r)
        self.scalings, self.decisions = SQLiteScalings(w, r), SQLiteDecisions(w, r)
        self.sessions, self.usage, self.samples = SQLiteSessions(w, r), SQLiteUsage(w, r), SQLiteSamples(w, r)
        self.footprints, self.boots = SQLiteFootprints(w, r), SQLiteBoots(w, r)
        self.breakdowns, self.batches = SQLiteBreakdowns(w, r), SQLiteBatches(w, r)

    async def close(self) -> None:
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        await self._writer.close()
        await self._readers.close()
        lock.release()

    async def ping(self) -> None:
        await self._writer.submit(lambda db: db.execute(PING) and None)

    def _connect(self) -> tuple[apsw.Connection, list[apsw.Connection]]:
        writer = writing(self._path)
        try:
            migrate(writer, load("hearth.store.sqlite"))
            return writer, [reading(self._path) for _ in range(READERS)]
        except BaseException:
            writer.close()
            raise
