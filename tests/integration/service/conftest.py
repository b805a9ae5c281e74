"""The service on a real store and real blobs, with an engine that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hearth import ids
from hearth.blobs.obstore import ObstoreBlobs
from hearth.bus.base import NewPrediction, Work
from hearth.bus.memory import MemoryBus
from hearth.clock import SystemClock
from hearth.domain.account import Account
from hearth.domain.events import Event, Kind
from hearth.domain.model import Model, Recipe, Version, Visibility
from hearth.domain.prediction import Place, Prediction, Step, transition
from hearth.seal import Sealer
from hearth.service.accounts import Accounts
from hearth.service.collections import Collections
from hearth.service.examples import Examples
from hearth.service.files import Files
from hearth.service.inputs import Inputs
from hearth.service.models import Models
from hearth.service.predictions import Predictions
from hearth.service.pushes import Pushes
from hearth.service.search import Search
from hearth.service.sharing import Sharing
from hearth.service.showing import Showing
from hearth.service.streams import Streams
from hearth.service.versions import Resolver
from hearth.store.base import Change
from hearth.store.sqlite.store import SQLiteStore

ECHO: dict[str, Any] = {
    "components": {
        "schemas": {
            "Input": {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
            "Output": {"type": "string"},
        }
    }
}


class Feed:
    """What an engine knows of a prediction in hand."""

    def __init__(self, prediction: Prediction, events: list[Event]) -> None:
        self.prediction = prediction
        self.events: list[Event] = events

    def place(self) -> Place | None:
        return self.snapshot().place

    def snapshot(self) -> Prediction:
        return msgspec.structs.replace(self.prediction, events=len(self.events))


class HandDrivenEngine:
    """Takes work when the test says so."""

    def __init__(self, bus: MemoryBus, store: SQLiteStore, name: str = "engine-1") -> None:
        self.works: list[Work] = []
        self._inbox: asyncio.Queue[Work] = asyncio.Queue()
        self._bus, self._store, self._name = bus, store, name
        self._feeds: dict[str, Feed] = {}
        self.stop = bus.serve(name, self._handle)

    def _handle(self, work: Work) -> None:
        self.works.append(work)
        self._inbox.put_nowait(work)

    async def heard(self, kind: type[Work]) -> Any:
        """The next work of this kind."""
        async with asyncio.timeout(60):
            while not isinstance(work := await self._inbox.get(), kind):
                pass
        return work

    @property
    def new(self) -> list[NewPrediction]:
        return [work for work in self.works if isinstance(work, NewPrediction)]

    def take(self, prediction: Prediction) -> Feed:
        feed = Feed(prediction, [Event(0, Kind.QUEUED, prediction.created_at, {})])
        self._feeds[prediction.id] = feed
        self._bus.open(prediction.id, feed)
        for step in (Step.ASSIGN, Step.START):
            feed.prediction = transition(feed.prediction, step, prediction.created_at)
        return feed

    def emit(self, id: str, *items: Any, kind: Kind = Kind.OUTPUT) -> None:
        feed = self._feeds[id]
        new = [Event(len(feed.events) + n, kind, 1.0, item) for n, item in enumerate(items)]
        feed.events.extend(new)
        self._bus.publish(id, new)

    async def finish(self, id: str, output: Any = None, step: Step = Step.SUCCEED) -> Prediction:
        feed = self._feeds[id]
        kind = {Step.SUCCEED: Kind.SUCCEEDED, Step.CANCEL: Kind.CANCELED, Step.FAIL: Kind.FAILED}[step]
        last = Event(len(feed.events), kind, 2.0, {})
        feed.events.append(last)
        ended = transition(feed.prediction, step, feed.prediction.created_at + 1)
        ended = msgspec.structs.replace(ended, output=output, events=len(feed.events))
        feed.prediction = ended
        assert await self._store.predictions.record(Change(prediction=ended, events=feed.events[1:], owner=self._name))
        self._bus.publish(id, [last], ended=True)
        return ended


class Hearth:
    """All services of one process."""

    def __init__(self, store: SQLiteStore, blobs: Any, bus: MemoryBus) -> None:
        self.store, self.blobs, self.bus = store, blobs, bus
        self.clock = SystemClock()
        self.sealer = Sealer(Sealer.new_key())
        self.accounts = Accounts(store=store, sealer=self.sealer, clock=self.clock)
        self.resolver = Resolver(store=store, clock=self.clock)
        self.models = Models(store=store, blobs=blobs, bus=bus, versions=self.resolver, clock=self.clock)
        self.examples = Examples(store=store, models=self.models)
        self.collections = Collections(store=store, models=self.models, clock=self.clock)
        self.search = Search(store=store, models=self.models)
        self.inputs = Inputs(store=store, blobs=blobs, sealer=self.sealer, clock=self.clock, inline_limit=100)
        self.files = Files(store=store, blobs=blobs, clock=self.clock, signing_key=b"key", max_file=1000)
        self.streams = Streams(store=store, bus=bus, key=b"key", heartbeat=0.05)
        self.predictions = Predictions(
            store=store, bus=bus, versions=self.resolver, inputs=self.inputs, clock=self.clock
        )
        self.sharing = Sharing(store=store, blobs=blobs, models=self.models, predictions=self.predictions)
        self.showing = Showing(store=store, blobs=blobs, clock=self.clock, models=self.models)
        self.pushes = Pushes(
            store=store,
            blobs=blobs,
            bus=bus,
            models=self.models,
            versions=self.resolver,
            clock=self.clock,
            max_source=1_000_000,
        )

    async def version(
        self,
        owner: Account,
        name: str,
        openapi: dict[str, Any] | None = None,
        *,
        public: bool = False,
        priority: int = 0,
    ) -> tuple[Model, Version]:
        """Another version of a model, which is made if it does not exist."""
        model = await self.store.models.get(owner.username, name)
        if model is None:
            model = Model(
                id=ids.sortable(),
                account_id=owner.id,
                owner=owner.username,
                name=name,
                created_at=self.clock.now(),
                visibility=Visibility.PUBLIC if public else Visibility.PRIVATE,
                priority=priority,
            )
            await self.store.models.create(model)
        version = Version(
            id=(ids.random32() + ids.random32() + ids.random32())[:64].translate(HEX),
            model_id=model.id,
            model=model.full_name,
            created_at=self.clock.now(),
            cog_version="0.16.12",
            openapi_schema=openapi or ECHO,
            recipe=Recipe(source=(), environment="e"),
        )
        await self.store.versions.add(version)
        self.resolver.forget(model.owner, model.name)
        found = await self.store.models.get(model.owner, model.name)
        assert found is not None
        return found, version


HEX = str.maketrans("ghjkmnpqrstvwxyz", "0123456789abcdef")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "hearth.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def hearth(store: SQLiteStore, bus: MemoryBus, tmp_path: Path) -> Hearth:
    return Hearth(store, ObstoreBlobs.local(tmp_path / "blobs"), bus)


@pytest.fixture
def engine(bus: MemoryBus, store: SQLiteStore) -> HandDrivenEngine:
    return HandDrivenEngine(bus, store)


@pytest.fixture
async def root(hearth: Hearth) -> Account:
    return (await hearth.accounts.bootstrap("root", None))[0]


@pytest.fixture
async def ann(hearth: Hearth, root: Account) -> Account:
    return await hearth.accounts.create(root, "ann")


@pytest.fixture
async def bob(hearth: Hearth, root: Account) -> Account:
    return await hearth.accounts.create(root, "bob")
