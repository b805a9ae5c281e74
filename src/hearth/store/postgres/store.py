"""The store on PostgreSQL: any number of servers on one database."""

from __future__ import annotations

from hearth.store.postgres.accounts import PostgresAccounts
from hearth.store.postgres.batches import PostgresBatches
from hearth.store.postgres.boots import PostgresBoots
from hearth.store.postgres.breakdowns import PostgresBreakdowns
from hearth.store.postgres.builds import PostgresBuilds
from hearth.store.postgres.collections import PostgresCollections
from hearth.store.postgres.database import Database
from hearth.store.postgres.deployments import PostgresDeployments
from hearth.store.postgres.examples import PostgresExamples
from hearth.store.postgres.files import PostgresFiles
from hearth.store.postgres.footprints import PostgresFootprints
from hearth.store.postgres.garbage import PostgresGarbage
from hearth.store.postgres.idempotency import PostgresIdempotency
from hearth.store.postgres.models import PostgresModels, PostgresVersions
from hearth.store.postgres.outbox import PostgresOutbox
from hearth.store.postgres.predictions import PostgresPredictions
from hearth.store.postgres.queue import PostgresQueue
from hearth.store.postgres.rates import PostgresRates
from hearth.store.postgres.removals import PostgresRemovals
from hearth.store.postgres.scheduling import PostgresDecisions, PostgresScalings
from hearth.store.postgres.search import PostgresSearch
from hearth.store.postgres.sessions import PostgresSessions
from hearth.store.postgres.usage import PostgresSamples, PostgresUsage

PING = "INSERT INTO pings VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET number = pings.number + 1"


class PostgresStore:
    def __init__(self, url: str) -> None:
        """`url`: `postgresql://user:password@host:port/database`."""
        database = self._database = Database(url)
        self.predictions = PostgresPredictions(database)
        self.queue = PostgresQueue(database)
        self.accounts = PostgresAccounts(database)
        self.models = PostgresModels(database)
        self.versions = PostgresVersions(database)
        self.removals = PostgresRemovals(database)
        self.garbage = PostgresGarbage(database)
        self.examples = PostgresExamples(database)
        self.collections = PostgresCollections(database)
        self.search = PostgresSearch(database)
        self.builds = PostgresBuilds(database)
        self.files = PostgresFiles(database)
        self.outbox = PostgresOutbox(database)
        self.deployments = PostgresDeployments(database)
        self.idempotency = PostgresIdempotency(database)
        self.rates = PostgresRates(database)
        self.scalings = PostgresScalings(database)
        self.decisions = PostgresDecisions(database)
        self.sessions = PostgresSessions(database)
        self.usage = PostgresUsage(database)
        self.samples = PostgresSamples(database)
        self.breakdowns = PostgresBreakdowns(database)
        self.footprints = PostgresFootprints(database)
        self.boots = PostgresBoots(database)
        self.batches = PostgresBatches(database)

    async def open(self) -> None:
        """Raises Unavailable if the server cannot be reached, Conflict if a newer Hearth wrote the database."""
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def ping(self) -> None:
        await self._database.execute(PING)
