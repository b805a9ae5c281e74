"""What nobody needs goes, what somebody needs stays, and a stop at any moment costs nothing."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from hearth import ids
from hearth.blobs.obstore import ObstoreBlobs
from hearth.domain.batch import Batch, BatchState, table_key
from hearth.domain.file import File, FileKind
from hearth.domain.model import Build, BuildState, Recipe, SourceFile, Version
from hearth.engine.collector import ABANDONED, GRACE, Collector
from hearth.engine.sources import CONTENTS, Sources, digest
from hearth.engine.weights import Weights
from hearth.store.sqlite.store import SQLiteStore
from hearth.testing.clock import FakeClock
from hearth.testing.engine import Bench

DAY = 24 * 3600.0
UNUSED = 10 * DAY


def there(path: str) -> bool:
    return os.path.exists(path)


class Environments:
    """A shelf in memory: names and when they were used."""

    def __init__(self, **used: float) -> None:
        self.used = used

    async def stale(self, before: float) -> Collection[str]:
        return [name for name, at in self.used.items() if at < before]

    async def remove(self, name: str, before: float) -> bool:
        return self.used.pop(name, before) < before


class World:
    def __init__(self, store: SQLiteStore, blobs: ObstoreBlobs, folder: Path) -> None:
        self.store, self.blobs = store, blobs
        self.clock = FakeClock(time.time())
        self.sources = Sources(folder / "sources", blobs)
        self.weights = Weights(folder / "weights", store, blobs)
        self.environments = Environments()
        self.in_use: dict[str, set[str]] = {"environments": set(), "sources": set(), "weights": set()}
        self.collector = self.another()

    def another(self, blobs: Any = None) -> Collector:
        return Collector(
            store=self.store,
            blobs=blobs or self.blobs,
            clock=self.clock,
            shelves={"sources": self.sources, "weights": self.weights, "environments": self.environments},
            in_use=lambda: self.in_use,
            unused=UNUSED,
            retention=DAY,
        )

    async def keys(self) -> set[str]:
        return {held.key for page in [page async for page in self.blobs.walk()] for held in page}

    async def content(self, text: bytes) -> SourceFile:
        file = SourceFile(path="predict.py", sha256=hashlib.sha256(text).hexdigest(), size=len(text))
        await self.blobs.put(file.key, text)
        return file

    def file(self, **fields: Any) -> File:
        usual: dict[str, Any] = {
            "id": ids.random32(), "account_id": "a", "kind": FileKind.UPLOAD, "name": "x", "content_type": "text/plain",
            "size": 1, "sha256": "s", "md5": "m", "created_at": self.clock.now(),
        }  # fmt: skip
        return File(**{**usual, **fields})

    def build(self, *source: SourceFile) -> Build:
        return Build(
            id=ids.sortable(), account_id="a", model_id="m", model="a/m", source=source, created_at=self.clock.now()
        )

    async def version(self, *source: SourceFile, environment: str = "e") -> Version:
        bench = Bench(self.store, self.blobs, Path("unused"), clock=self.clock)
        version = await bench.version()
        made = Version(
            id=ids.token_hash(ids.random32()), model_id=version.model_id, model=version.model, cog_version="0.16.0",
            created_at=self.clock.now(), openapi_schema={}, recipe=Recipe(source=source, environment=environment),
        )  # fmt: skip
        await self.store.versions.add(made)
        return made


@pytest.fixture
def world(store: SQLiteStore, blobs: ObstoreBlobs, tmp_path: Path) -> World:
    return World(store, blobs, tmp_path / "shelves")


async def test_bytes_that_no_row_names_go_after_a_grace(world: World) -> None:
    kept, lost = world.file(), world.file()
    for file in (kept, lost):
        await world.blobs.put(file.key, b"x")
    await world.store.files.add(kept)
    await world.blobs.put("batches/" + ids.sortable(), b"{}")
    await world.blobs.put("somebody/elses", b"x")
    await world.blobs.put(f"files/zz/{kept.id}", b"x")  # not where a file of ours would lie
    before = await world.keys()
    await world.collector.round()
    assert await world.keys() == before
    await world.clock.advance(GRACE + 60)
    await world.collector.round()
    assert await world.keys() == {kept.key, "somebody/elses", f"files/zz/{kept.id}"}


async def test_contents_go_with_the_last_version_and_build_that_need_them(world: World) -> None:
    used, built, lost = [await world.content(text) for text in (b"used", b"built", b"lost")]
    version = await world.version(used)
    build = world.build(built)
    await world.store.builds.create(build)
    await world.store.builds.move(build.id, BuildState.QUEUED, at=world.clock.now())
    await world.clock.advance(GRACE + 60)
    await world.collector.round()
    assert await world.keys() == {used.key, built.key}
    await world.store.builds.move(build.id, BuildState.FAILED, at=world.clock.now())
    await world.store.versions.delete(version.id, world.clock.now())
    await world.collector.round()
    assert await world.keys() == set()
    assert await world.store.garbage.condemned() == []
    assert lost.size


async def test_a_push_that_never_came_is_given_up(world: World) -> None:
    part = await world.content(b"half of it")
    build = world.build(part)
    await world.store.builds.create(build)
    await world.clock.advance(GRACE - 60)
    await world.collector.round()
    assert await world.keys() == {part.key}
    await world.clock.advance(120)
    await world.collector.round()
    found = await world.store.builds.get(build.id)
    assert found is not None
    assert (found.state, found.error) == (BuildState.FAILED, ABANDONED)
    assert await world.keys() == set()


async def test_a_batch_goes_with_its_table_when_its_retention_is_over(world: World) -> None:
    id = ids.sortable()
    made = Batch(
        id=id, account_id="a", model="a/m", version="v", total=1, source=table_key(id), created_at=world.clock.now()
    )
    await world.blobs.put(made.source, b"{}")
    await world.store.batches.create(made)
    await world.clock.advance(5 * DAY)
    await world.collector.round()
    assert await world.keys() == {made.source}
    await world.store.batches.end(made.id, BatchState.COMPLETED, "", world.clock.now())
    await world.clock.advance(DAY - 1)
    await world.collector.round()
    assert await world.keys() == {made.source}
    await world.clock.advance(1)
    await world.collector.round()
    assert await world.keys() == set()
    assert await world.store.batches.get(made.id) is None


class Stopped(BaseException):
    """The server ends here."""


class Stopping:
    """Blobs that end the server before or after the first removal."""

    def __init__(self, blobs: ObstoreBlobs, after: bool) -> None:
        self._blobs, self._after = blobs, after

    async def delete(self, keys: list[str]) -> None:
        if keys:
            if self._after:
                await self._blobs.delete(keys)
            raise Stopped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)


@pytest.mark.parametrize("after", [False, True])
async def test_what_a_stop_broke_off_is_finished_at_the_next_start(world: World, after: bool) -> None:
    lost = await world.content(b"lost")
    await world.clock.advance(GRACE + 60)
    with pytest.raises(Stopped):
        await world.another(Stopping(world.blobs, after)).round()
    assert await world.store.garbage.condemned() == [lost.sha256]
    await world.another().finish()
    assert await world.store.garbage.condemned() == []
    assert await world.keys() == set()


async def test_unpacked_sources_go_when_nothing_uses_them_and_come_again(world: World) -> None:
    large = bytes(2 * 1024 * 1024)
    source = (
        await world.content(b"code"),
        SourceFile(path="w", sha256=hashlib.sha256(large).hexdigest(), size=len(large)),
    )
    await world.blobs.put(source[1].key, large)
    await world.version(*source)
    folder = await world.sources.materialise(source)
    other = await world.sources.materialise(source[:1])
    await world.clock.advance(UNUSED - 60)
    os.utime(other, (world.clock.now(), world.clock.now()))
    await world.clock.advance(120)
    world.in_use["sources"] = {digest(source)}
    await world.collector.round()
    assert folder.is_dir()
    world.in_use["sources"] = set()
    await world.collector.round()
    assert not folder.exists()
    assert other.is_dir()
    await world.collector.round()
    assert list((folder.parent / CONTENTS).iterdir()) == []
    assert (await world.sources.materialise(source) / "w").read_bytes() == large


async def test_a_source_that_is_being_built_stays(world: World) -> None:
    source = (await world.content(b"code"),)
    folder = await world.sources.materialise(source)
    build = world.build(*source)
    await world.store.builds.create(build)
    await world.store.builds.move(build.id, BuildState.RUNNING, at=world.clock.now())
    await world.clock.advance(UNUSED + 60)
    await world.collector.round()
    assert folder.is_dir()


async def test_weights_go_when_nothing_uses_them_and_come_again(world: World) -> None:
    file = world.file(kind=FileKind.OUTPUT, sha256=hashlib.sha256(b"w").hexdigest())
    await world.blobs.put(file.key, b"w")
    await world.store.files.add(file)
    recipe = Recipe(source=(), environment="e", weights=file.reference)
    placed = (await world.weights.placed(recipe)).weights or ""
    await world.clock.advance(UNUSED + 60)
    world.in_use["weights"] = {world.weights.name(recipe)}
    await world.collector.round()
    assert there(placed)
    world.in_use["weights"] = set()
    await world.collector.round()
    assert not there(os.path.dirname(placed))
    assert (await world.weights.placed(recipe)).weights == placed
    assert there(placed)


async def test_environments_that_no_version_has_go_once_unused(world: World) -> None:
    old, now = world.clock.now() - UNUSED - 60, world.clock.now()
    world.environments.used = {"of a version": old, "running": old, "fresh": now, "gone": old}
    await world.version(environment="of a version")
    world.in_use["environments"] = {"running"}
    await world.collector.round()
    assert set(world.environments.used) == {"of a version", "running", "fresh"}


async def test_trouble_with_one_kind_does_not_keep_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(world.store.garbage, "abandon_builds", refuse)
    lost = world.file()
    await world.blobs.put(lost.key, b"x")
    await world.clock.advance(GRACE + 60)
    await world.collector.round()
    assert await world.keys() == set()


async def test_an_engine_collects_by_itself_and_spares_what_it_runs(started: Any) -> None:
    bench = await started(clock=FakeClock(time.time() + 2 * DAY), idle_timeout=1e9)
    version = await bench.version()
    await bench.run(version)
    lost = f"files/aa/{'0' * 24}aa"
    await bench.blobs.put(lost, b"x")
    folder = bench.options.folder / "sources" / digest(version.recipe.source)
    os.utime(folder, (1.0, 1.0))
    await bench.engine._collector.round()
    assert not await bench.blobs.exists(lost)
    assert folder.is_dir(), "an instance has it"
