"""Pages stay right while rows come and go: through the API, in both directions, for every list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from hearth.domain.catalog import ModelOrder
from hearth.domain.deployment import Deployment, Release
from hearth.domain.file import File, FileKind
from hearth.domain.model import Model, Visibility
from hearth.domain.prediction import Prediction, PredictionKind

OUTSIDE = ("8", "9")
"""Ids of what a filter keeps out begin so, those of the others with zeros."""
START = 30
LIMIT = 7


class Shelf:
    """One list of the API, and how rows are put on it and taken off, at any time of one's choice."""

    path: str
    ascending = False

    def __init__(self, world: Any, account: Any, version: Any) -> None:
        self.world, self.store, self.account, self.version = world, world.store, account, version

    def url(self, since: float) -> str:
        """Where the walk begins; `since` is the time of the oldest row of this walk."""
        return self.path

    async def add(self, id: str, at: float) -> None:
        raise AssertionError("each kind has its own")

    async def remove(self, id: str) -> None:
        raise AssertionError("each kind has its own")

    @staticmethod
    def key(item: dict[str, Any]) -> str:
        return str(item["id"])


class Predictions(Shelf):
    path = "predictions"
    kind = PredictionKind.PREDICTION

    async def add(self, id: str, at: float) -> None:
        made = Prediction(
            id=id, account_id=self.account.id, model=self.version.model, version=self.version.id, input={},
            created_at=at, kind=self.kind, destination="ada/hello",
        )  # fmt: skip
        await self.store.predictions.create(made, [])

    async def remove(self, id: str) -> None:
        await self.store.predictions.delete([id])


class Trainings(Predictions):
    path = "trainings"
    kind = PredictionKind.TRAINING


class PredictionsOfATime(Predictions):
    """Before and after which there are others, made and removed as well."""

    def url(self, since: float) -> str:
        after, before = (
            datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (since, since + START)
        )
        return f"predictions?created_after={after}&created_before={before}"

    async def add(self, id: str, at: float) -> None:
        early, late = (f"{mark}{id[1:]}" for mark in OUTSIDE)
        await asyncio.gather(super().add(id, at), super().add(early, at - START), super().add(late, at + START))

    async def remove(self, id: str) -> None:
        await self.store.predictions.delete([id, *(f"{mark}{id[1:]}" for mark in OUTSIDE)])


class Files(Shelf):
    path = "files"

    async def add(self, id: str, at: float) -> None:
        await self.store.files.add(
            File(
                id=id, account_id=self.account.id, kind=FileKind.UPLOAD, name="a", content_type="text/plain", size=0,
                sha256="", md5="", created_at=at,
            )
        )  # fmt: skip

    async def remove(self, id: str) -> None:
        await self.store.files.delete([id])


class Models(Shelf):
    path = "account/models"

    async def add(self, id: str, at: float) -> None:
        made = Model(id=id, account_id=self.account.id, owner="ada", name=f"m{id}", created_at=at)
        await self.store.models.create(msgspec.structs.replace(made, visibility=Visibility.PRIVATE))

    async def remove(self, id: str) -> None:
        await self.store.models.delete(id)

    @staticmethod
    def key(item: dict[str, Any]) -> str:
        return str(item["name"])[1:]


class PublicModels(Shelf):
    """Worth showing, among others that are not. The other order would be the opposite one."""

    by, ascending = ModelOrder.PUSHED, True

    def url(self, since: float) -> str:
        return f"models?sort_by={self.by.value}&sort_direction={'asc' if self.ascending else 'desc'}"

    async def add(self, id: str, at: float) -> None:
        created, pushed = (1e9 - at, at) if self.by is ModelOrder.PUSHED else (at, 1e9 - at)
        model = Model(
            id=id, account_id=self.account.id, owner="ada", name=f"m{id}", created_at=created,
            visibility=Visibility.PUBLIC,
        )  # fmt: skip
        hidden = msgspec.structs.replace(model, id=f"h{id}", name=f"h{id}")
        for each in (model, hidden):
            await self.store.models.create(each)
            version = msgspec.structs.replace(
                self.version, id=f"{each.name:0<64}", model_id=each.id, model=each.full_name, created_at=pushed
            )
            await self.store.versions.add(version)
        example = Prediction(
            id=id, account_id=self.account.id, model=model.full_name, version=f"{model.name:0<64}", input={},
            created_at=at,
        )  # fmt: skip
        await self.store.predictions.create(example, [])
        assert await self.store.examples.add(id)

    async def remove(self, id: str) -> None:
        await self.store.models.delete(id)
        await self.store.models.delete(f"h{id}")

    @staticmethod
    def key(item: dict[str, Any]) -> str:
        return str(item["name"])[1:]


class NewPublicModels(PublicModels):
    by, ascending = ModelOrder.CREATED, False


class Deployments(Shelf):
    path = "deployments"

    async def add(self, id: str, at: float) -> None:
        release = Release(
            number=1, model=self.version.model, version=self.version.id, hardware="cpu", min_instances=0,
            max_instances=1, created_at=at, created_by="ada",
        )  # fmt: skip
        made = Deployment(id=id, account_id=self.account.id, owner="ada", name=f"d{id}", created_at=at, current=release)
        hers = msgspec.structs.replace(made, id=f"h{id}", account_id=f"{self.account.id}2", owner="eve")
        await asyncio.gather(self.store.deployments.create(made), self.store.deployments.create(hers))

    async def remove(self, id: str) -> None:
        await self.store.deployments.delete(id)
        await self.store.deployments.delete(f"h{id}")

    @staticmethod
    def key(item: dict[str, Any]) -> str:
        return str(item["name"])[1:]


class Versions(Shelf):
    path = "models/ada/hello/versions"

    async def add(self, id: str, at: float) -> None:
        await self.store.versions.add(msgspec.structs.replace(self.version, id=(id + "0" * 64)[:64], created_at=at))

    @staticmethod
    def key(item: dict[str, Any]) -> str:
        return str(item["id"])[:26]


STEP = st.tuples(st.sampled_from(["add", "remove", "older", "newer"]), st.integers(0, 999))
KINDS = [
    Predictions, PredictionsOfATime, Trainings, Files, Models, PublicModels, NewPublicModels, Deployments, Versions
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_pages_are_whole_while_rows_come_and_go(
    kind: type[Shelf], hearth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever walks to the end and back sees every row that was there all the time, once and in order."""
    world = await hearth()
    ada, client = await world.account("ada")
    shelf = kind(world, ada, await world.version(ada))
    _small_pages(world, monkeypatch)
    loop = asyncio.get_running_loop()
    serial = iter(range(10**9))

    async def walk(steps: list[tuple[str, int]]) -> None:
        base = next(serial) * 10_000.0 + 1e6

        async def put(offset: int) -> str:
            # Several rows share a moment, so ids decide.
            id = f"{next(serial):026}"
            await shelf.add(id, base + offset // 3)
            return id

        stable = {await put(n) for n in range(START)}
        passing: list[str] = []
        page = (await client.get(shelf.url(base))).json()
        seen: list[str] = [shelf.key(item) for item in page["results"]]
        for what, n in steps:
            if what == "add":
                passing.append(await put(n % START))
            elif what == "remove" and passing and type(shelf).remove is not Shelf.remove:
                await shelf.remove(passing.pop(n % len(passing)))
            elif what == "older" and page["next"]:
                page = (await client.get(page["next"])).json()
                seen += [shelf.key(item) for item in page["results"]]
            elif what == "newer" and page["previous"]:
                forward = seen
                page = (await client.get(page["previous"])).json()
                back = [shelf.key(item) for item in page["results"]]
                assert [id for id in forward if id in stable and id in back] == [id for id in back if id in stable]
                seen = _before(forward, back)
        while page["next"]:
            page = (await client.get(page["next"])).json()
            seen += [shelf.key(item) for item in page["results"]]
        assert not [id for id in seen if id.startswith(OUTSIDE)], "a filter was not kept"
        mine = [id for id in seen if id in stable]
        assert mine == sorted(stable, reverse=not shelf.ascending), "a row was left out, told twice or out of order"
        back_again: list[str] = []
        while page["previous"]:
            page = (await client.get(page["previous"])).json()
            back_again = [shelf.key(item) for item in page["results"]] + back_again
        tail = [id for id in back_again if id in stable]
        assert tail == mine[: len(tail)]
        for id in [*stable, *passing]:
            if type(shelf).remove is not Shelf.remove:
                await shelf.remove(id)

    examples: list[list[tuple[str, int]]] = []

    @hypothesis.settings(max_examples=12, database=None, derandomize=True, deadline=None)
    @hypothesis.given(st.lists(STEP, max_size=25))
    def draw(steps: list[tuple[str, int]]) -> None:
        examples.append(steps)

    draw()
    assert loop.is_running()
    for steps in examples:
        await walk(steps)


def _before(seen: list[str], page: list[str]) -> list[str]:
    """What had been seen before this page, and the page."""
    first = next((id for id in page if id in seen), None)
    return (seen[: seen.index(first)] if first is not None else []) + page


def _small_pages(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists in pages of a few rows, whatever their own size is."""
    lists = [(noun, "page") for noun in ("predictions", "files", "models", "versions", "deployments")]
    for noun, name in [*lists, ("models", "shown")]:
        adapter = getattr(world.store, noun)
        original: Callable[..., Awaitable[Any]] = getattr(adapter, name)

        def page(*args: Any, _original: Any = original, **options: Any) -> Awaitable[Any]:
            result: Awaitable[Any] = _original(*args, **{**options, "limit": LIMIT})
            return result

        monkeypatch.setattr(adapter, name, page)
