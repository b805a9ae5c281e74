"""The API on a real server, with real services over SQLite and local blobs; the engine follows a script."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
import uvicorn

from hearth import ids
from hearth.api.app import Api, create_app
from hearth.api.metrics import Metrics
from hearth.api.services import Options, Services
from hearth.api.shapes import Shapes
from hearth.api.wire import Wire
from hearth.blobs.obstore import ObstoreBlobs
from hearth.bus.base import CancelRequested, NewPrediction, Work
from hearth.bus.memory import MemoryBus
from hearth.clock import SystemClock
from hearth.domain.account import Account
from hearth.domain.events import Event, Kind
from hearth.domain.file import File, FileKind
from hearth.domain.hardware import Hardware
from hearth.domain.model import Model, Recipe, Version
from hearth.domain.prediction import Place, Prediction, Step, transition
from hearth.gathering import Http
from hearth.seal import Sealer
from hearth.service.accounts import Accounts
from hearth.service.admin import Admin
from hearth.service.batches import Batches
from hearth.service.collections import Collections
from hearth.service.deployments import Deployments
from hearth.service.examples import Examples
from hearth.service.files import Files
from hearth.service.history import History
from hearth.service.idempotency import Idempotency
from hearth.service.inputs import Inputs
from hearth.service.language import Language
from hearth.service.limits import Limits
from hearth.service.models import Models
from hearth.service.monitoring import Monitoring
from hearth.service.predictions import Predictions
from hearth.service.pushes import Pushes
from hearth.service.scaling import Scalings
from hearth.service.search import Search
from hearth.service.sessions import Sessions
from hearth.service.sharing import Sharing
from hearth.service.showing import Showing
from hearth.service.signin import SignIn
from hearth.service.streams import Streams
from hearth.service.timings import Timings
from hearth.service.tokens import Tokens
from hearth.service.trainings import Trainings
from hearth.service.usage import Usage
from hearth.service.versions import Resolver
from hearth.store.base import Change
from hearth.store.sqlite.store import SQLiteStore
from hearth.tokens.huggingface import HuggingFaceTokenizers

API_TOKEN = "r8_" + "t" * 37
KINDS = {Step.SUCCEED: Kind.SUCCEEDED, Step.CANCEL: Kind.CANCELED, Step.FAIL: Kind.FAILED}
TEXT = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}


class Run:
    """A prediction in the hands of the script."""

    def __init__(self, engine: Engine, prediction: Prediction) -> None:
        self._engine = engine
        self.prediction = prediction
        self.canceled = asyncio.Event()
        self.events: Sequence[Event] = [Event(0, Kind.QUEUED, prediction.created_at, {})]
        for step in (Step.ASSIGN, Step.START):
            self.prediction = transition(self.prediction, step, prediction.created_at + 0.1)
        engine.bus.open(prediction.id, self)

    def place(self) -> Place | None:
        return self.snapshot().place

    def snapshot(self) -> Prediction:
        return msgspec.structs.replace(self.prediction, events=len(self.events))

    def emit(self, *items: Any, kind: Kind = Kind.OUTPUT) -> None:
        new = [Event(len(self.events) + n, kind, 1.0, item) for n, item in enumerate(items)]
        self.events = [*self.events, *new]
        if kind is Kind.OUTPUT:
            output = [*(self.prediction.output or []), *items]
            self.prediction = msgspec.structs.replace(self.prediction, output=output)
        self._engine.bus.publish(self.prediction.id, new)

    async def end(self, step: Step = Step.SUCCEED, *, error: str | None = None, **fields: Any) -> None:
        last = Event(len(self.events), KINDS[step], 2.0, {"error": error} if error else {})
        self.events = [*self.events, last]
        ended = transition(self.prediction, step, self.prediction.created_at + 1)
        ended = msgspec.structs.replace(ended, events=len(self.events), error=error, **fields)
        self.prediction = ended
        change = Change(prediction=ended, events=self.events[1:], owner=self._engine.name)
        assert await self._engine.store.predictions.record(change)
        self._engine.bus.publish(ended.id, [last], ended=True)


Script = Callable[[Run], Awaitable[None]]


class Engine:
    """Runs `script` for every new prediction."""

    name = "engine-1"

    def __init__(self, bus: MemoryBus, store: SQLiteStore) -> None:
        self.bus, self.store = bus, store
        self.script: Script = succeed
        self.runs: dict[str, Run] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.stop = bus.serve(self.name, self._take)

    def _take(self, work: Work) -> None:
        if isinstance(work, NewPrediction):
            run = self.runs[work.prediction.id] = Run(self, work.prediction)
            self.tasks.append(asyncio.create_task(self._play(run), name="script"))
        elif isinstance(work, CancelRequested) and work.prediction_id in self.runs:
            self.runs[work.prediction_id].canceled.set()

    async def _play(self, run: Run) -> None:
        await self.script(run)

    async def close(self) -> None:
        self.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def succeed(run: Run) -> None:
    await run.end(output=f"hello {run.prediction.input['text']}")


class WatchedBus(MemoryBus):
    """Tells when a listener has left."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.left: asyncio.Queue[str] = asyncio.Queue()

    def listen(self, prediction_id: str, listener: Callable[[Sequence[Event], bool], None]) -> Callable[[], None]:
        end = super().listen(prediction_id, listener)
        self.heard.put_nowait(prediction_id)

        def ended() -> None:
            end()
            self.left.put_nowait(prediction_id)

        return ended


class Live:
    """A running server and everything behind it."""

    app: Api

    def __init__(self, store: SQLiteStore, bus: WatchedBus, folder: Path) -> None:
        clock, sealer = SystemClock(), Sealer(Sealer.new_key())
        self.store, self.bus, self.url, self.clock = store, bus, "", clock
        self.blobs = ObstoreBlobs.local(folder / "blobs")
        self.resolver = Resolver(store=store, clock=clock)
        self.accounts = Accounts(store=store, sealer=sealer, clock=clock)
        self.sessions = Sessions(store=store, clock=clock, key=b"key")
        self.files = Files(store=store, blobs=self.blobs, clock=clock, signing_key=b"key", max_file=1 << 20)
        self.models = Models(store=store, blobs=self.blobs, bus=bus, versions=self.resolver, clock=clock)
        inputs = Inputs(store=store, blobs=self.blobs, sealer=sealer, clock=clock)
        self.predictions = Predictions(store=store, bus=bus, versions=self.resolver, inputs=inputs, clock=clock)
        self.streams = Streams(store=store, bus=bus, key=b"key", heartbeat=0.02)
        pushes = Pushes(store=store, blobs=self.blobs, bus=bus, models=self.models, versions=self.resolver, clock=clock)
        self.limits = Limits(store=store, clock=clock)
        deployments = Deployments(
            store=store, bus=bus, versions=self.resolver, clock=clock, skus=lambda: ["cpu"], quiet=0.0
        )
        self.services = Services(
            predictions=self.predictions,
            streams=self.streams,
            models=self.models,
            seeds=cast(Any, None),
            examples=Examples(store=store, models=self.models),
            collections=Collections(store=store, models=self.models, clock=clock),
            search=Search(store=store, models=self.models),
            deployments=deployments,
            trainings=Trainings(
                bus=bus,
                models=self.models,
                versions=self.resolver,
                predictions=self.predictions,
                inputs=inputs,
                clock=clock,
            ),
            scalings=Scalings(
                store=store,
                bus=bus,
                clock=clock,
                models=self.models,
                deployments=deployments,
            ),
            timings=Timings(store=store, hardware=[Hardware(sku="cpu", name="CPU", price=0.5)]),
            tokens=Tokens(blobs=self.blobs, versions=self.resolver, tokenizers=HuggingFaceTokenizers(), clock=clock),
            batches=Batches(
                store=store,
                blobs=self.blobs,
                bus=bus,
                clock=clock,
                versions=self.resolver,
                predictions=self.predictions,
            ),
            admin=Admin(store=store, bus=bus, clock=clock),
            pushes=pushes,
            files=self.files,
            accounts=self.accounts,
            sessions=self.sessions,
            sharing=Sharing(store=store, blobs=self.blobs, models=self.models, predictions=self.predictions),
            showing=Showing(store=store, blobs=self.blobs, clock=clock, models=self.models),
            history=History(predictions=self.predictions),
            usage=Usage(store=store, clock=clock, hardware=[]),
            monitoring=Monitoring(store=store, clock=clock, deployments=deployments),
            signin=SignIn(store=store, clock=clock, accounts=self.accounts, sessions=self.sessions),
            language=Language(versions=self.resolver, deployments=deployments),
            limits=self.limits,
            idempotency=Idempotency(store=store, clock=clock),
            bus=bus,
            wire=Wire(tokens=self.streams, shapes=Shapes(store.versions.get)),
            metrics=Metrics(),
            ready=store.ping,
        )
        self.options = Options(max_file=1 << 20)

    async def model(self, owner: Account, name: str, output: dict[str, Any]) -> Version:
        made = Model(id=ids.sortable(), account_id=owner.id, owner=owner.username, name=name, created_at=1.0)
        await self.store.models.create(made)
        schemas = {
            "Input": {"type": "object", "properties": {"text": {"type": "string"}}},
            "Output": output,
        }
        version = Version(
            id=hashlib.sha256(name.encode()).hexdigest(),
            model_id=made.id,
            model=made.full_name,
            created_at=2.0,
            cog_version="0.16.12",
            openapi_schema={"openapi": "3.0.2", "components": {"schemas": schemas}},
            recipe=Recipe(source=(), environment="e"),
        )
        await self.store.versions.add(version)
        return version

    async def output(self, owner: Account, name: str, kind: str, data: bytes) -> File:
        """A file as a model would have made it."""
        id = ids.random32()
        file = File(
            id=id,
            account_id=owner.id,
            kind=FileKind.OUTPUT,
            name=name,
            content_type=kind,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            created_at=1.0,
        )
        await self.blobs.put(file.key, data)
        await self.store.files.add(file)
        return file


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    store = SQLiteStore(tmp_path / "hearth.db")
    await store.open()
    live = Live(store, WatchedBus(), tmp_path)
    await live.accounts.bootstrap("ada", API_TOKEN)
    live.app = create_app(live.services, options=live.options)
    config = uvicorn.Config(
        live.app,
        port=0,
        http=Http,
        loop="none",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    ticking = asyncio.create_task(server.main_loop(), name="uvicorn")
    live.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield live
    server.should_exit = True
    await ticking
    await server.shutdown()
    await store.close()


@pytest.fixture
async def engine(live: Live) -> AsyncIterator[Engine]:
    engine = Engine(live.bus, live.store)
    yield engine
    await engine.close()


@pytest.fixture
async def ada(live: Live) -> Account:
    account = await live.store.accounts.by_username("ada")
    assert account is not None
    return account


@pytest.fixture
async def client(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    async with httpx.AsyncClient(base_url=live.url, headers=headers, trust_env=False) as client:
        yield client
