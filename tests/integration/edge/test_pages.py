"""Pages stay right while rows come and go: through the API, in both directions, for every list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from hearth.domain.file import File, FileKind
from hearth.domain.model import Model, Visibility
from hearth.domain.prediction import Prediction, PredictionKind

START = 30
LIMIT = 7


class Shelf:
    """One list of the API, and how rows are put on it and taken off, at any time of one's choice."""

    def __init__(self, world: Any, account: Any, version: Any) -> None:
        self.world, self.store, self.account, self.version = world, world.store, account, version

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


class Versions(Shelf):
    path = "models/ada/hello/versions"

    async def add(self, id: str, at: float) -> None:
        await self.store.versions.add(msgspec.structs.replace(self.version, id=(id + "0" * 64)[:64], created_at=at))

    @staticmethod
    def key(item: dict[str, Any]) -> str:
        return str(item["id"])[:26]


STEP = st.tuples(st.sampled_from(["add", "remove", "older", "newer"]), st.integers(0, 999))


@pytest.mark.parametrize("kind", [Predictions, Trainings, Files, Models, Versions])
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
        page = (await client.get(shelf.path)).json()
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
        mine = [id for id in seen if id in stable]
        assert mine == sorted(stable, reverse=True), "a row was left out, told twice or out of order"
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
    for noun in ("predictions", "files", "models", "versions"):
        adapter = getattr(world.store, noun)
        original: Callable[..., Awaitable[Any]] = adapter.page

        def page(*args: Any, _original: Any = original, **options: Any) -> Awaitable[Any]:
            result: Awaitable[Any] = _original(*args, **{**options, "limit": LIMIT})
            return result

        monkeypatch.setattr(adapter, "page", page)
