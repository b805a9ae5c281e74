"""Pushes, deletes and collections at the same time: nothing that is needed is ever removed."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hearth import ids
from hearth.clock import SystemClock
from hearth.domain.model import Build, BuildState, Recipe, SourceFile, Version
from hearth.engine.collector import GRACE, Collector
from hearth.engine.remover import Remover
from hearth.engine.sources import Sources

PUSHES = 60
CONFIG = b"predict: predict.py:P\n"


class Later(SystemClock):
    """For whom every blob is old."""

    def now(self) -> float:
        return super().now() + 2 * GRACE


async def tar(contents: dict[str, bytes], wanted: list[str]) -> AsyncIterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for sha256 in wanted:
            member = tarfile.TarInfo(sha256)
            member.size = len(contents[sha256])
            archive.addfile(member, io.BytesIO(contents[sha256]))
    yield buffer.getvalue()


async def test_pushes_and_deletes_while_everything_is_collected(
    hearth: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("HEARTH_TEST_SEED", "0")) or time.time_ns() % 1_000_000
    print(f"HEARTH_TEST_SEED={seed}")
    choose = random.Random(seed)
    world = await hearth()
    store, blobs, pushes = world.store, world.parts.blobs, world.parts.services.pushes
    world.parts.engine._end()  # nobody builds but this test
    ada, _ = await world.account("ada")
    await world.version(ada)
    model = await store.models.get("ada", "hello")
    sources = Sources(tmp_path / "sources", blobs)
    remover = Remover(store=store, blobs=blobs, clock=SystemClock(), sources=sources, cancel=lambda id: None)
    collector = Collector(
        store=store, blobs=blobs, clock=Later(), shelves={"sources": sources},
        in_use=lambda: {"sources": set()}, unused=3600.0, retention=1e9,
    )  # fmt: skip
    versions: list[Version] = []
    over = False

    async def none(*args: object) -> int:
        return 0

    monkeypatch.setattr(store.garbage, "abandon_builds", none)  # by the collector's clock every push is old

    async def push() -> None:
        texts = [CONFIG, *(f"content {n}".encode() for n in choose.sample(range(4), 2))]
        contents = {hashlib.sha256(text).hexdigest(): text for text in texts}
        files = [
            SourceFile(path="cog.yaml" if text is CONFIG else f"f{n}", sha256=sha256, size=len(text))
            for n, (sha256, text) in enumerate(contents.items())
        ]
        build, missing = await pushes.start(ada, "ada", "hello", files)
        while missing:
            missing = await pushes.upload(ada, build.id, tar(contents, missing))
        await built(build)

    async def built(build: Build) -> None:
        """As the builder does, but for the environment."""
        await asyncio.sleep(choose.uniform(0, 0.01))
        folder = await sources.materialise(build.source)
        assert {path.name for path in folder.iterdir()} == {file.path for file in build.source}
        version = Version(
            id=ids.token_hash(ids.random32()), model_id=model.id, model="ada/hello", created_at=1.0,
            cog_version="0.16.0", openapi_schema={}, recipe=Recipe(source=build.source, environment="e"),
        )  # fmt: skip
        await store.versions.add(version)
        await store.builds.move(build.id, BuildState.SUCCEEDED, at=1.0)
        versions.append(version)

    async def delete() -> None:
        while not over:
            await asyncio.sleep(choose.uniform(0, 0.01))
            if versions:
                await store.versions.delete(versions.pop(choose.randrange(len(versions))).id, 1.0)
                await remover.step()

    async def collect() -> None:
        while not over:
            await collector.round()
            await asyncio.sleep(0)

    others = [asyncio.create_task(work()) for work in (delete, collect, collect)]
    gate = asyncio.Semaphore(4)

    async def gated() -> None:
        async with gate:
            await push()

    try:
        await asyncio.gather(*(gated() for _ in range(PUSHES)))
    finally:
        over = True
        await asyncio.gather(*others)
    for version in versions:
        for file in version.recipe.source:
            assert await blobs.exists(file.key), (version.id, file)
    for version in versions:
        await store.versions.delete(version.id, 1.0)
    await remover.step()
    await collector.round()
    assert [held async for page in blobs.walk() for held in page if held.key.startswith("sources/")] == []
