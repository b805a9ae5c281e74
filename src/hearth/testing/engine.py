"""A whole engine on a real store and real blobs, with a fake runtime: what its tests, and benchmarks, work with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.bus.base import CancelRequested, NewPrediction
from hearth.bus.memory import MemoryBus
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.events import Event, Kind
from hearth.domain.lane import Lane
from hearth.domain.model import Model, Recipe, Version
from hearth.domain.prediction import Prediction
from hearth.engine import Engine, EngineOptions
from hearth.errors import BuildFailed, FetchFailed
from hearth.net.base import Fetched, Reply
from hearth.runtime.base import BuildRequest, BuildResult
from hearth.seal import Sealer
from hearth.store.base import Lease, Store
from hearth.testing.clock import FakeClock
from hearth.testing.runtime import FakeRuntime


def schema(*, output: dict[str, Any] | None = None, **inputs: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document with these inputs; without any, one text named `text`."""
    properties = inputs or {"text": {"type": "string"}}
    return {
        "components": {
            "schemas": {
                "Input": {"type": "object", "properties": properties},
                "Output": output or {"type": "string"},
            }
        }
    }


ITERATOR = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
FILE = {"type": "string", "format": "uri"}
SECRET = {"type": "string", "format": "password", "x-cog-secret": True}


class FakeFetcher:
    """Serves `contents` by URL, and knows no others."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        """Clear it and downloads hang."""
        self.started = asyncio.Event()

    async def fetch(self, url: str, folder: Path, limit: int) -> Fetched:
        self.started.set()
        await self.gate.wait()
        if url not in self.contents:
            raise FetchFailed("the server answered 404.")
        path = folder / "fetched.bin"
        await asyncio.to_thread(path.write_bytes, self.contents[url])
        return Fetched(path, path.name, "application/octet-stream", len(self.contents[url]))

    async def close(self) -> None:
        """Nothing is open."""


class Post(msgspec.Struct, frozen=True):
    url: str
    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str]


class FakeSender:
    """Keeps what was sent. `answers` are used up first, then every post is answered with 200."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: list[int | FetchFailed] = []
        self._news = asyncio.Condition()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        async with self._news:
            self.posts.append(Post(url, msgspec.json.decode(body), body, headers))
            self._news.notify_all()
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, FetchFailed):
            raise answer
        return Reply(answer, 0.01)

    async def wait(self, count: int) -> list[Post]:
        """Once `count` posts came."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: len(self.posts) >= count)
        return list(self.posts)

    async def close(self) -> None:
        """Nothing is open."""


class FakeBuilder:
    """Builds anything; `fail` is what it raises instead."""

    def __init__(self) -> None:
        self.fail: BuildFailed | None = None
        self.requests: list[BuildRequest] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.about: dict[str, Any] = {}
        self.began = asyncio.Event()

    async def build(self, request: BuildRequest, log: Any) -> BuildResult:
        self.requests.append(request)
        self.began.set()
        log("resolving\n")
        await self.gate.wait()
        log("installed\n")
        if self.fail is not None:
            raise self.fail
        return BuildResult(
            environment="e" * 64,
            lock="cog==0.23.1",
            python_version="3.11",
            cog_version="0.23.1",
            openapi_schema=schema(),
            predict="predict.py:Predictor",
            train=None,
            concurrency=1,
            is_async=False,
            streaming=False,
            takes_weights=False,
            variables={},
            about=self.about,
        )


def render(prediction: Prediction) -> bytes:
    """A webhook body for tests: what they look at."""
    return msgspec.json.encode(
        {
            "id": prediction.id,
            "phase": prediction.phase.value,
            "output": prediction.output,
            "logs": prediction.logs,
            "error": prediction.error,
        }
    )


class Bench:
    """An engine and what it works with. `store` and `blobs` are the test's: they outlive engines."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        folder: Path,
        *,
        runtime: FakeRuntime | None = None,
        sender: FakeSender | None = None,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        self.store, self.blobs = store, blobs
        self.clock = clock or FakeClock()
        self.runtime = runtime or FakeRuntime()
        self.bus = MemoryBus()
        self.fetcher, self.sender, self.builder = FakeFetcher(), sender or FakeSender(), FakeBuilder()
        self.sealer = Sealer("A" * 43 + "=")
        self.options = EngineOptions(folder=folder, **options)
        self.engine = Engine(
            store=store,
            blobs=blobs,
            bus=self.bus,
            runtime=self.runtime,
            builder=self.builder,
            fetcher=self.fetcher,
            sender=self.sender,
            sealer=self.sealer,
            clock=self.clock,
            render=render,
            options=self.options,
        )

    async def __aenter__(self) -> Bench:
        await self.engine.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.engine.stop()

    async def advance(self, seconds: float) -> None:
        assert isinstance(self.clock, FakeClock)
        await self.clock.advance(seconds)

    async def account(self, name: str = "ada") -> Account:
        found = await self.store.accounts.by_username(name)
        if found is None:
            found = Account(
                id=ids.sortable(),
                username=name,
                created_at=self.clock.now(),
                webhook_secret=self.sealer.seal(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            )
            await self.store.accounts.create(found)
        return found

    async def version(self, name: str = "model", document: dict[str, Any] | None = None) -> Version:
        """A version of `ada/name` that can be run."""
        account = await self.account()
        model = await self.store.models.get("ada", name)
        if model is None:
            model = Model(id=ids.sortable(), account_id=account.id, owner="ada", name=name, created_at=self.clock.now())
            await self.store.models.create(model)
        version = Version(
            id=(ids.random32() + "0" * 64).translate(str.maketrans("ghjkmnpqrstvwxyz", "0" * 16))[:64],
            model_id=model.id,
            model=model.full_name,
            created_at=self.clock.now(),
            cog_version="0.23.1",
            openapi_schema=document or schema(),
            recipe=Recipe(source=(), environment="e" * 64),
        )
        await self.store.versions.add(version)
        return version

    async def submit(
        self,
        version: Version,
        input: dict[str, Any] | None = None,
        *,
        account: Account | None = None,
        secrets: dict[str, Any] | None = None,
        lane: Lane | None = None,
        **fields: Any,
    ) -> str:
        """Store a prediction and hand it to the engine, as the service does; its id."""
        account = account or await self.account()
        prediction = Prediction(
            id=ids.sortable(),
            account_id=account.id,
            model=version.model,
            version=version.id,
            input={"text": "hello"} if input is None else input,
            created_at=self.clock.now(),
            events=1,
            **fields,
        )
        sealed = self.sealer.seal(msgspec.json.encode(secrets)) if secrets else None
        owner = self.bus.owner
        stored = self.store.predictions.create(
            prediction,
            [Event(0, Kind.QUEUED, prediction.created_at, {})],
            lease=None if owner is None else Lease(owner, prediction.created_at + 30),
            secrets=sealed,
        )
        self.bus.submit(NewPrediction(prediction=prediction, version=version, secrets=sealed, lane=lane))
        await stored
        return prediction.id

    async def cancel(self, prediction_id: str) -> None:
        await self.store.predictions.request_cancel(prediction_id, self.clock.now())
        self.bus.submit(CancelRequested(prediction_id=prediction_id))

    async def until(self, prediction_id: str, kind: Kind, count: int = 1) -> None:
        """Wait until this many events of a kind have been published."""
        heard = asyncio.Event()
        seen = 0

        def listen(events: Sequence[Event], ended: bool) -> None:
            nonlocal seen
            seen += sum(1 for event in events if event.kind is kind)
            if seen >= count:
                heard.set()

        forget = self.bus.listen(prediction_id, listen)
        try:
            feed = self.bus.feed(prediction_id)
            if feed is not None:
                listen(feed.events, False)
            else:
                listen(await self.store.predictions.events(prediction_id), False)
            async with asyncio.timeout(60):
                await heard.wait()
        finally:
            forget()

    async def given(self, prediction_id: str) -> None:
        """Wait until an instance has it: a second start is recorded before that."""
        async with asyncio.timeout(60):
            await self.runtime.given[prediction_id].wait()

    async def end(self, prediction_id: str) -> Prediction:
        """Wait for the end, and read what the store has."""
        heard = asyncio.Event()
        forget = self.bus.listen(prediction_id, lambda events, ended: heard.set() if ended else None)
        try:
            found = await self.store.predictions.get(prediction_id)
            if found is None or not found.phase.terminal:
                async with asyncio.timeout(60):
                    await heard.wait()
        finally:
            forget()
        found = await self.store.predictions.get(prediction_id)
        assert found is not None
        return found

    async def run(self, version: Version, input: dict[str, Any] | None = None, **fields: Any) -> Prediction:
        return await self.end(await self.submit(version, input, **fields))

    async def kinds(self, prediction_id: str) -> list[Kind]:
        """The stored history."""
        return [event.kind for event in await self.store.predictions.events(prediction_id)]
