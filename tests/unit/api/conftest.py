"""The API over doubles of the services: each returns at once what a test put into it."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, cast

import httpx
import msgspec
import pytest

from hearth.api.app import create_app
from hearth.api.metrics import Metrics
from hearth.api.services import Options, Services
from hearth.api.shapes import Shapes
from hearth.api.wire import Wire
from hearth.clock import SystemClock
from hearth.domain.account import Account, Token
from hearth.domain.breakdown import Breakdown
from hearth.domain.catalog import Collection, Hit
from hearth.domain.events import Event
from hearth.domain.file import File, FileKind
from hearth.domain.hardware import Hardware
from hearth.domain.instance import InstanceState, InstanceView
from hearth.domain.model import Build, BuildState, Model, Recipe, SourceFile, Version
from hearth.domain.prediction import Phase, Place, Prediction
from hearth.domain.priority import Priority
from hearth.domain.webhook import Attempt, Delivery
from hearth.errors import NotFound, Unauthenticated
from hearth.service.admin import Admin
from hearth.service.files import Link
from hearth.service.limits import Limits
from hearth.service.models import Shown
from hearth.service.search import Found
from hearth.store.base import Cursor, Page

ID = "0fqzzq8p2srgm0cjb2zaj681jr"
FILE_ID = "1fqzzq8p2srgm0cjb2zaj681jr"
VERSION_ID = "5" * 64
TOKEN = ID + "0" * 26
HOST = "https://hearth.test"


def schema(output: dict[str, Any]) -> dict[str, Any]:
    return {"openapi": "3.0.2", "components": {"schemas": {"Output": output}}}


TEXT = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
FILE = {"type": "string", "format": "uri"}


class World:
    """All services in one, and what they hold. `fail` is raised by every call; `calls` remembers them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fail: BaseException | None = None
        self.output_schema: dict[str, Any] = {"type": "string"}
        self.breakdowns: list[Breakdown] = []
        self.prediction_record = Prediction(
            id=ID,
            account_id="a1",
            model="ada/hello",
            version=VERSION_ID,
            input={"text": "hi"},
            created_at=1_700_000_000.5,
        )
        self.batches: list[Sequence[Event] | None] = []
        self.places: list[Place] = []
        self.blob = b"0123456789"
        self.file_record = File(
            id=FILE_ID,
            account_id="a1",
            kind=FileKind.OUTPUT,
            name="out-0.png",
            content_type="image/png",
            size=10,
            sha256="ab" * 32,
            md5="cd" * 16,
            created_at=1_700_000_000.0,
        )
        self.uploaded: dict[str, Any] = {}
        self.account_record = Account(id="a1", username="ada", created_at=0.0, admin=True)
        self.older: Cursor | None = None
        self.newer: Cursor | None = None
        self.log_texts: list[str | None] = []
        self.example: Prediction | None = None
        self.build = Build(
            id="b1", account_id="a1", model_id="m1", model="ada/hello", source=(), created_at=1_700_000_000.0
        )

    def _called(self, call: str, /, **arguments: Any) -> None:
        self.calls.append((call, arguments))
        if self.fail is not None:
            raise self.fail

    # Accounts
    async def authenticate(self, token: str) -> Account:
        if not token.startswith("r8_"):
            raise Unauthenticated
        return self.account_record

    async def tokens(self, caller: Account) -> list[Token]:
        self._called("tokens")
        return [Token(hash="x", account_id="a1", name="default", created_at=1.0, hint="abcd")]

    async def new_token(self, caller: Account, name: str, priority: Priority | None = None) -> str:
        self._called("new_token", name=name, priority=priority)
        return "r8_new"

    async def disable_token(self, caller: Account, name: str) -> None:
        self._called("disable_token", name=name)

    async def create(self, admin: Account, username: str, **fields: Any) -> Account:
        self._called("create_account", username=username, **fields)
        return msgspec.structs.replace(self.account_record, username=username)

    async def page(self, admin: Account, cursor: Cursor | None) -> Page[Account]:
        return Page([self.account_record], None, None)

    async def named(self, admin: Account, username: str) -> Account:
        return self.account_record

    async def webhook_secret(self, caller: Account) -> str:
        self._called("webhook_secret")
        return "whsec_abc="

    # Streams
    def token(self, prediction_id: str) -> str:
        return prediction_id + "0" * 26

    def prediction_id(self, token: str) -> str | None:
        return token[:26] if token.endswith("0" * 26) else None

    async def prediction(self, prediction_id: str) -> Prediction:
        self._called("prediction")
        return self.prediction_record

    async def open_stream(
        self, prediction_id: str, after: int, *, places: bool = False
    ) -> AsyncGenerator[Sequence[Event] | Place | None, None]:
        self._called("open", after=after)
        for place in self.places if places else ():
            yield place
        for batch in self.batches:
            kept = None if batch is None else [e for e in batch if e.seq > after]
            if kept is None or kept:
                yield kept

    # Predictions and models share some verbs, so each has a thin face below.
    async def version(self, id: str) -> Version | None:
        return Version(
            id=VERSION_ID,
            model_id="m1",
            model="ada/hello",
            created_at=1_700_000_000.0,
            cog_version="0.16.0",
            openapi_schema=schema(self.output_schema),
            recipe=Recipe(source=(), environment="e"),
        )

    async def ready(self) -> None:
        self._called("ready")


class _Predictions:
    def __init__(self, world: World) -> None:
        self.world = world

    async def create(self, caller: Account, **arguments: Any) -> Prediction:
        self.world._called("create", **arguments)
        return self.world.prediction_record

    async def get(self, caller: Account, id: str) -> Prediction:
        self.world._called("get", id=id)
        return self.world.prediction_record

    async def page(self, caller: Account, **arguments: Any) -> Page[Prediction]:
        self.world._called("page", **arguments)
        return Page([self.world.prediction_record], self.world.older, self.world.newer)

    async def cancel(self, caller: Account, id: str) -> Prediction:
        self.world._called("cancel", id=id)
        return self.world.prediction_record

    async def timeline(self, caller: Account, id: str) -> list[Event]:
        self.world._called("timeline", id=id)
        return [event for batch in self.world.batches if batch for event in batch]

    async def deliveries(self, caller: Account, id: str) -> list[tuple[Delivery, list[Attempt]]]:
        self.world._called("deliveries", id=id)
        return [DELIVERY]

    async def outbox(self, caller: Account, *, cursor: Cursor | None) -> Page[tuple[Delivery, list[Attempt]]]:
        self.world._called("outbox")
        return Page([DELIVERY], None, None)

    async def replay(self, caller: Account, delivery_id: str) -> None:
        self.world._called("replay", id=delivery_id)


DELIVERY = (
    Delivery(
        id="msg_1",
        prediction_id=ID,
        account_id="a1",
        event="completed",
        url="http://x/",
        body=b"{}",
        created_at=1.0,
        due_at=2.0,
    ),
    [Attempt(delivery_id="msg_1", number=1, at=1.5, duration=0.25, status=500)],
)
MODEL = Model(id="m1", account_id="a1", owner="ada", name="hello", created_at=1_700_000_000.0)


class _Models:
    hardware = (Hardware(sku="cpu", name="CPU"),)

    def __init__(self, world: World) -> None:
        self.world = world

    async def create(self, caller: Account, **arguments: Any) -> Model:
        self.world._called("create", **arguments)
        return MODEL

    async def get(self, caller: Account, owner: str, name: str) -> Model:
        self.world._called("get", owner=owner, name=name)
        return MODEL

    async def page(self, cursor: Cursor | None, **arguments: Any) -> Page[Model]:
        self.world._called("page", cursor=cursor, **arguments)
        return Page([MODEL], self.world.older, self.world.newer)

    async def mine(self, caller: Account, cursor: Cursor | None) -> Page[Model]:
        return await self.page(cursor)

    async def embed(self, models: Sequence[Model]) -> list[Shown]:
        return [Shown(m, await self.world.version(VERSION_ID), self.world.example) for m in models]

    async def update(self, caller: Account, owner: str, name: str, fields: dict[str, Any]) -> Model:
        self.world._called("update", fields=fields)
        return MODEL

    async def delete(self, caller: Account, owner: str, name: str) -> None:
        self.world._called("delete", owner=owner, name=name)

    async def delete_version(self, caller: Account, owner: str, name: str, id: str) -> None:
        self.world._called("delete_version", id=id)

    async def readme(self, caller: Account, owner: str, name: str) -> str:
        self.world._called("readme")
        return "# Hello"

    async def latest(self, model: Model) -> Version | None:
        return await self.world.version(VERSION_ID)

    async def versions(self, caller: Account, owner: str, name: str, cursor: Cursor | None) -> Page[Version]:
        self.world._called("versions")
        version = await self.world.version(VERSION_ID)
        return Page([version] if version else [], None, None)

    async def version(self, caller: Account, owner: str, name: str, id: str) -> Version:
        self.world._called("version", id=id)
        version = await self.world.version(VERSION_ID)
        assert version is not None
        return version

    async def breakdowns(self, version: Version) -> list[Breakdown]:
        return self.world.breakdowns

    async def retry(self, caller: Account, owner: str, name: str, id: str) -> None:
        self.world._called("retry", id=id)


class _Examples:
    def __init__(self, world: World) -> None:
        self.world = world

    async def page(self, caller: Account, owner: str, name: str, cursor: Cursor | None) -> Page[Prediction]:
        return Page([self.world.prediction_record], None, None)

    async def add(self, caller: Account, owner: str, name: str, prediction_id: str) -> Prediction:
        self.world._called("add", id=prediction_id)
        return self.world.prediction_record

    async def remove(self, caller: Account, owner: str, name: str, prediction_id: str) -> None:
        self.world._called("remove", id=prediction_id)


SHELF = Collection(slug="words", name="Words", description="Make text.", created_at=1.0, full_description="# All")


class _Collections:
    def __init__(self, world: World) -> None:
        self.world = world

    async def page(self, cursor: Cursor | None) -> Page[Collection]:
        return Page([SHELF], None, None)

    async def get(self, caller: Account, slug: str) -> tuple[Collection, list[Shown]]:
        return SHELF, [Shown(MODEL, None, None)]

    async def create(self, slug: str, **fields: Any) -> Collection:
        self.world._called("create", slug=slug, **fields)
        return SHELF

    async def update(self, slug: str, fields: dict[str, Any]) -> Collection:
        self.world._called("update", slug=slug, fields=fields)
        return SHELF

    async def delete(self, slug: str) -> None:
        self.world._called("delete", slug=slug)

    async def add(self, slug: str, model: str) -> None:
        self.world._called("add", slug=slug, model=model)

    async def remove(self, slug: str, owner: str, name: str) -> None:
        self.world._called("remove", slug=slug, model=f"{owner}/{name}")


class _Search:
    def __init__(self, world: World) -> None:
        self.world = world

    async def models(self, caller: Account, query: str) -> list[tuple[Shown, float | None]]:
        self.world._called("models", query=query)
        return [(Shown(MODEL, None, None), 0.5)]

    async def everything(self, caller: Account, query: str, *, limit: int) -> Found:
        self.world._called("everything", query=query, limit=limit)
        return Found([(Shown(MODEL, None, None), 0.5)], [(SHELF, ["ada/hello"])], [Hit("/docs/files", "Files", 1.0)])


class _Streams:
    def __init__(self, world: World) -> None:
        self.token, self.prediction_id, self.prediction = world.token, world.prediction_id, world.prediction
        self.open = world.open_stream


class _Files:
    def __init__(self, world: World) -> None:
        self.world = world

    async def upload(self, caller: Account, *, chunks: AsyncIterator[bytes], **arguments: Any) -> File:
        self.world._called("upload", **arguments)
        self.world.uploaded = {**arguments, "content": b"".join([c async for c in chunks])}
        return self.world.file_record

    async def get(self, caller: Account, id: str) -> File:
        self.world._called("get", id=id)
        return self.world.file_record

    async def page(self, caller: Account, cursor: Cursor | None) -> Page[File]:
        self.world._called("page")
        return Page([self.world.file_record], None, None)

    async def delete(self, caller: Account, id: str) -> None:
        self.world._called("delete", id=id)

    def link(self, owner: str, file: File) -> Link:
        return Link(owner, 9, "go+od=")

    def check_signature(self, owner: str, id: str, expiry: int, signature: str) -> None:
        self.world._called("check_signature", owner=owner, id=id, expiry=expiry, signature=signature)
        if signature != "go+od=":
            raise NotFound("File not found")

    async def open(self, id: str, name: str | None = None) -> File:
        self.world._called("open", id=id, name=name)
        if name not in (None, self.world.file_record.name):
            raise NotFound("File not found")
        return self.world.file_record

    async def content(self, file: File, start: int, end: int) -> AsyncIterator[bytes]:
        for at in range(start, end, 4):
            yield self.world.blob[at : min(at + 4, end)]


class _Pushes:
    def __init__(self, world: World) -> None:
        self.world = world

    async def start(
        self, caller: Account, owner: str, name: str, source: Sequence[SourceFile], *, create: bool, visibility: str
    ) -> tuple[Build, list[str]]:
        self.world._called("start", owner=owner, name=name, source=list(source), create=create, visibility=visibility)
        return self.world.build, [f.sha256 for f in source]

    async def upload(self, caller: Account, build_id: str, chunks: AsyncIterator[bytes]) -> list[str]:
        self.world._called("upload", content=b"".join([c async for c in chunks]))
        return []

    async def get(self, caller: Account, build_id: str) -> Build:
        self.world._called("get", id=build_id)
        return self.world.build

    async def log(self, caller: Account, build_id: str) -> AsyncGenerator[str | None, None]:
        for text in self.world.log_texts:
            yield text
        self.world.build = msgspec.structs.replace(self.world.build, state=BuildState.SUCCEEDED, version_id=VERSION_ID)


class _Bus:
    desk = None

    def instances(self) -> Sequence[InstanceView]:
        view = InstanceView(
            id="i1",
            model="ada/hello",
            version=VERSION_ID,
            state=InstanceState.READY,
            because="idle",
            slots=1,
            busy=0,
            started_at=1.0,
        )
        return [view]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def options() -> Options:
    return Options(max_body=1 << 20, max_file=1 << 20, data_uri_outputs=64)


@pytest.fixture
def wire(world: World) -> Wire:
    return Wire(tokens=world, shapes=Shapes(world.version))


@pytest.fixture
def services(world: World, wire: Wire) -> Services:
    return Services(
        predictions=cast(Any, _Predictions(world)),
        streams=cast(Any, _Streams(world)),
        models=cast(Any, _Models(world)),
        examples=cast(Any, _Examples(world)),
        collections=cast(Any, _Collections(world)),
        search=cast(Any, _Search(world)),
        deployments=cast(Any, None),
        trainings=cast(Any, None),
        scalings=cast(Any, None),
        admin=Admin(store=cast(Any, None), bus=cast(Any, _Bus()), clock=SystemClock()),
        pushes=cast(Any, _Pushes(world)),
        files=cast(Any, _Files(world)),
        accounts=cast(Any, world),
        sessions=cast(Any, world),
        sharing=cast(Any, world),
        showing=cast(Any, world),
        signin=cast(Any, world),
        history=cast(Any, None),
        usage=cast(Any, None),
        monitoring=cast(Any, None),
        batches=cast(Any, None),
        timings=cast(Any, None),
        tokens=cast(Any, None),
        language=cast(Any, None),
        limits=Limits(store=cast(Any, None), clock=SystemClock()),
        idempotency=cast(Any, None),
        seeds=cast(Any, None),
        bus=cast(Any, _Bus()),
        wire=wire,
        metrics=Metrics(),
        ready=world.ready,
    )


@pytest.fixture
async def client(services: Services, options: Options) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(services, options=options)
    transport = httpx.ASGITransport(app=cast(Any, app))
    headers = {"Authorization": "Bearer r8_test"}
    async with httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers) as client:
        yield client


@pytest.fixture
def finished(world: World) -> Prediction:
    """The world's prediction, succeeded with output "hello"."""
    world.prediction_record = msgspec.structs.replace(
        world.prediction_record,
        phase=Phase.SUCCEEDED,
        output="hello",
        logs="line\n",
        metrics={"tokens": 3},
        started_at=1_700_000_001.0,
        completed_at=1_700_000_003.5,
        events=4,
    )
    return world.prediction_record


def data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
