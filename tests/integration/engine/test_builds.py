"""Pushes become versions."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from hearth import ids
from hearth.bus.base import BuildQueued
from hearth.domain.events import Event
from hearth.domain.hardware import ANY_GPU
from hearth.domain.model import Build, BuildState, SourceFile
from hearth.engine.sources import digest
from hearth.errors import BuildFailed
from hearth.testing.clock import settle
from hearth.testing.engine import Bench


async def source(bench: Bench, **files: str) -> tuple[SourceFile, ...]:
    found = []
    for name, text in files.items():
        data = text.encode()
        file = SourceFile(
            path=name.replace("__", "/").replace("_", "."), sha256=hashlib.sha256(data).hexdigest(), size=len(data)
        )
        await bench.blobs.put(file.key, data)
        found.append(file)
    return tuple(found)


async def queued(bench: Bench, source: tuple[SourceFile, ...]) -> Build:
    await bench.version("pushed")
    model = await bench.store.models.get("ada", "pushed")
    assert model is not None
    build = Build(
        id=ids.sortable(),
        account_id=model.account_id,
        model_id=model.id,
        model=model.full_name,
        source=source,
        created_at=bench.clock.now(),
        state=BuildState.QUEUED,
    )
    await bench.store.builds.create(build)
    return build


async def built(bench: Bench, build: Build) -> tuple[Build, list[Event]]:
    """Hand it to the engine and wait for its end; what was published meanwhile."""
    heard: list[Event] = []
    done = asyncio.Event()

    def listen(events: Sequence[Event], ended: bool) -> None:
        heard.extend(events)
        if ended:
            done.set()

    bench.bus.listen(build.id, listen)
    bench.bus.submit(BuildQueued(build_id=build.id))
    async with asyncio.timeout(60):
        await done.wait()
    found = await bench.store.builds.get(build.id)
    assert found is not None
    return found, heard


async def test_a_push_becomes_a_version_that_runs(started: Any) -> None:
    bench = await started()
    bench.builder.about = {"description": "Says hello", "priority": 3, "readme": None}
    build = await queued(bench, await source(bench, cog_yaml="predict: x", lib__a_py="1"))
    done, heard = await built(bench, build)
    assert (done.state, done.error) == (BuildState.SUCCEEDED, None)
    version = await bench.store.versions.get(done.version_id)
    assert len(version.id) == 64
    assert version.recipe.environment == "e" * 64
    model = await bench.store.models.get("ada", "pushed")
    assert (model.latest_version_id, model.description, model.priority) == (version.id, "Says hello", 3)
    log = await bench.store.builds.log(build.id)
    assert log == "resolving\ninstalled\n"
    assert "".join(event.data for event in heard) == log
    assert [event.seq for event in heard] == [sum(len(e.data) for e in heard[:n]) for n in range(len(heard))]
    folder = bench.builder.requests[0].folder
    assert (folder / "lib" / "a.py").read_text() == "1"
    assert (await bench.run(version)).output == "hello"
    assert bench.runtime.specs[0].folder == folder


async def test_the_same_push_is_the_same_version_and_shares_the_folder(started: Any) -> None:
    bench = await started()
    first, _ = await built(bench, await queued(bench, await source(bench, cog_yaml="a", b="b")))
    same, _ = await built(bench, await queued(bench, await source(bench, b="b", cog_yaml="a")))
    other, _ = await built(bench, await queued(bench, await source(bench, cog_yaml="a", b="c")))
    assert first.version_id == same.version_id != other.version_id
    assert len(list((bench.options.folder / "sources").iterdir())) == 2


async def test_a_failed_build_says_why_and_leaves_no_version(started: Any) -> None:
    bench = await started()
    bench.builder.fail = BuildFailed("libgl1 is missing", hint="Install it: apt-get install libgl1")
    build = await queued(bench, await source(bench, cog_yaml="a"))
    done, _ = await built(bench, build)
    assert (done.state, done.version_id) == (BuildState.FAILED, None)
    assert (done.error, done.hint) == ("libgl1 is missing", "Install it: apt-get install libgl1")
    assert (await bench.store.builds.log(build.id)).endswith("libgl1 is missing\nInstall it: apt-get install libgl1\n")
    model = await bench.store.models.get("ada", "pushed")
    assert [v.id for v in (await bench.store.versions.page(model.id)).items] == [model.latest_version_id]


async def test_a_missing_blob_fails_the_build_and_leaves_no_folder(started: Any) -> None:
    bench = await started()
    gone = SourceFile(path="x", sha256="0" * 64, size=1)
    done, _ = await built(bench, await queued(bench, (gone,)))
    assert done.state is BuildState.FAILED
    assert list((bench.options.folder / "sources").iterdir()) == []


async def test_what_the_owner_has_set_stays(started: Any) -> None:
    bench = await started()
    build = await queued(bench, await source(bench, cog_yaml="a"))
    await bench.store.models.update(build.model_id, {"description": "Mine"})
    bench.builder.about = {"description": "Yours", "paper_url": "https://example.com"}
    await built(bench, build)
    model = await bench.store.models.get("ada", "pushed")
    assert (model.description, model.paper_url) == ("Mine", "https://example.com")


@pytest.mark.parametrize(
    ("offered", "hardware"), [(("cpu", "gpu-h100", "gpu-h100-2x"), "gpu-h100"), (("cpu", "cpu-small"), "cpu")]
)
async def test_a_model_that_asks_for_a_gpu_gets_the_first_kind(
    started: Any, offered: tuple[str, ...], hardware: str
) -> None:
    bench = await started(hardware=offered)
    build = await queued(bench, await source(bench, cog_yaml="a"))
    await bench.store.models.update(build.model_id, {"undecided": ("hardware",)})
    bench.builder.about = {"hardware": ANY_GPU}
    await built(bench, build)
    assert (await bench.store.models.get("ada", "pushed")).hardware == hardware


async def test_an_interrupted_build_runs_again_after_the_restart(bench: Any) -> None:
    first = bench()
    await first.engine.start()
    first.builder.gate.clear()
    build = await queued(first, await source(first, cog_yaml="a"))
    first.bus.submit(BuildQueued(build_id=build.id))
    await first.builder.began.wait()
    await first.engine.stop()
    assert (await first.store.builds.get(build.id)).state is BuildState.RUNNING
    async with bench(clock=first.clock) as second:
        done = asyncio.Event()
        second.bus.listen(build.id, lambda events, ended: done.set() if ended else None)
        async with asyncio.timeout(60):
            await done.wait()
        assert (await second.store.builds.get(build.id)).state is BuildState.SUCCEEDED
        assert "The server restarted" in await second.store.builds.log(build.id)


async def test_builds_run_one_at_a_time(started: Any) -> None:
    bench = await started()
    bench.builder.gate.clear()
    builds = [await queued(bench, await source(bench, cog_yaml=str(n))) for n in range(2)]
    ends = [asyncio.ensure_future(built(bench, build)) for build in builds]
    await bench.builder.began.wait()
    await settle()
    assert len(bench.builder.requests) == 1
    bench.builder.gate.set()
    for end in ends:
        assert (await end)[0].state is BuildState.SUCCEEDED


def test_a_digest_does_not_depend_on_the_order_of_files() -> None:
    a, b = [SourceFile(path=name, sha256=name * 64, size=1) for name in "ab"]
    assert digest([a, b]) == digest([b, a]) != digest([a])
