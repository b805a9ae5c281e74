"""What hearth.yaml shows is shown, and what is deleted is removed in steps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hearth.bus.base import VersionDeleted
from hearth.clock import SystemClock
from hearth.domain.file import File, FileKind, parse_reference
from hearth.domain.model import BuildState, Model, Visibility
from hearth.domain.prediction import EXAMPLE
from hearth.engine import remover
from hearth.engine.remover import Remover
from hearth.engine.sources import Sources
from hearth.errors import Unavailable
from hearth.testing.engine import Bench

from .test_builds import built, queued, source


async def pushed(bench: Bench, about: dict[str, Any], **files: str) -> tuple[Model, str]:
    """The model after the push, and the build's log."""
    bench.builder.about = about
    build = await queued(bench, await source(bench, cog_yaml="predict: x", **files))
    done, _ = await built(bench, build)
    assert (done.state, done.error) == (BuildState.SUCCEEDED, None)
    model = await bench.store.models.get("ada", "pushed")
    assert model is not None
    return model, await bench.store.builds.log(build.id)


async def examples(bench: Bench, model: Model) -> list[Any]:
    """Those of the push, once they have ended."""
    found = await bench.store.predictions.page(model.account_id, kind=(await bench.run(await bench.version())).kind)
    for prediction in found.items:
        if prediction.source == EXAMPLE:
            await bench.end(prediction.id)
    return (await bench.store.examples.page(model.id)).items


async def test_examples_of_a_push_run_once_and_become_examples(started: Any) -> None:
    bench = await started()
    model, log = await pushed(bench, {"examples": [{"text": "one"}, {"text": [1]}, {"text": "@in.txt"}]}, in_txt="deep")
    shown = await examples(bench, model)
    assert [p.input["text"] for p in shown] == ["one", "@in.txt"]  # a string is no file
    assert "examples[1]: input.text: Invalid type" in log
    model = await bench.store.models.get("ada", "pushed")
    assert model.default_example_id == shown[0].id
    _, log = await pushed(bench, {"examples": [{"text": "one"}]}, in_txt="deep")
    assert "Example" not in log  # the same version


FILE_INPUT = {
    "components": {
        "schemas": {
            "Input": {"properties": {"file": {"type": "string", "format": "uri", "x-order": 0}}, "type": "object"},
            "Output": {"type": "string"},
        }
    }
}


async def test_files_of_examples_lie_in_the_folder_and_nowhere_else(started: Any, monkeypatch: Any) -> None:
    bench = await started()
    monkeypatch.setattr("hearth.testing.engine.schema", lambda: FILE_INPUT)
    inputs = [{"file": "@a/in.txt"}, {"file": "@../cog.yaml"}, {"file": "@/etc/passwd"}, {"file": "@none"}]
    model, log = await pushed(bench, {"examples": inputs}, a__in_txt="deep")
    (shown,) = await examples(bench, model)
    id, name = parse_reference(shown.input["file"])
    file = await bench.store.files.get(id)
    assert (name, file.kind, file.expires_at, file.prediction_id) == ("in.txt", FileKind.INPUT, None, shown.id)
    assert b"".join([chunk async for chunk in bench.blobs.stream(file.key)]) == b"deep"
    for number in (1, 2, 3):
        assert f"examples[{number}]: there is no file" in log


async def test_hearth_yaml_decides_what_the_maker_left_open(started: Any) -> None:
    bench = await started(hardware=("cpu", "gpu-t4"))
    await bench.version("pushed")
    model = await bench.store.models.get("ada", "pushed")
    await bench.store.models.update(model.id, {"undecided": ("visibility", "hardware")})
    about = {"visibility": "public", "hardware": "gpu-t4", "cover": "c.png"}
    model, _ = await pushed(bench, about, c_png="picture")
    assert (model.visibility, model.hardware, model.undecided) == (Visibility.PUBLIC, "gpu-t4", ())
    id, name = parse_reference(model.cover_image_url)
    cover = await bench.store.files.get(id)
    assert (name, cover.content_type, cover.expires_at) == ("c.png", "image/png", None)
    model, _ = await pushed(bench, {"visibility": "private", "cover": "https://x/c.png"}, other="1")
    assert (model.visibility, parse_reference(model.cover_image_url)) == (Visibility.PUBLIC, (id, name))


async def test_what_cannot_be_shown_is_told(started: Any) -> None:
    bench = await started()
    await bench.version("pushed")
    model = await bench.store.models.get("ada", "pushed")
    await bench.store.models.update(model.id, {"undecided": ("hardware",)})
    model, log = await pushed(bench, {"hardware": "gpu-t4", "visibility": "public", "cover": "none.png"})
    assert "hardware: gpu-t4 is not here; there are cpu" in log
    assert "cover: there is no file none.png" in log
    assert (model.hardware, model.visibility, model.cover_image_url) == ("cpu", Visibility.PRIVATE, None)


async def kept(bench: Bench, prediction_id: str) -> File:
    """A file that a prediction made."""
    file = File(
        id=prediction_id, account_id="a", kind=FileKind.OUTPUT, name="o.txt", content_type="text/plain", size=3,
        sha256="", md5="", created_at=1.0, prediction_id=prediction_id,
    )  # fmt: skip
    await bench.blobs.put(file.key, b"out")
    await bench.store.files.add(file)
    return file


async def test_a_deleted_version_is_removed_with_its_predictions_files_and_sources(
    started: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(remover, "STEP", 2)
    bench = await started()
    shared, own = await source(bench, cog_yaml="shared", only_txt="own")
    version, other = await bench.version(), await bench.version()
    recipe = msgspec.structs.replace(version.recipe, source=(shared, own))
    version = msgspec.structs.replace(version, id="a" * 64, recipe=recipe)
    neighbour = msgspec.structs.replace(recipe, source=(shared,))
    await bench.store.versions.add(version)
    await bench.store.versions.add(msgspec.structs.replace(other, id="b" * 64, recipe=neighbour))
    gone = [await bench.run(version) for _ in range(5)]
    stays = await bench.run(other)
    files = [await kept(bench, p.id) for p in (*gone, stays)]
    assert await bench.store.versions.delete(version.id, bench.clock.now())
    sources = Sources(tmp_path / "sources", bench.blobs)
    folder = await sources.materialise(recipe.source)
    work = Remover(store=bench.store, blobs=bench.blobs, clock=bench.clock, sources=sources, cancel=lambda id: None)
    steps = 0
    while await work.step() is not None:
        steps += 1
    assert steps == 3
    assert await bench.store.predictions.many([p.id for p in (*gone, stays)]) == {
        stays.id: await bench.store.predictions.get(stays.id)
    }
    assert [await bench.blobs.exists(f.key) for f in files] == [False] * 5 + [True]
    assert [await bench.blobs.exists(f.key) for f in (shared, own)] == [True, False]
    assert await bench.store.removals.pending(10) == []
    assert not folder.exists()


def removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when nothing is left of a version."""
    gone, done = asyncio.Event(), bench.store.removals.done

    async def tell(version_id: str) -> None:
        await done(version_id)
        gone.set()

    monkeypatch.setattr(bench.store.removals, "done", tell)
    return gone


async def test_the_engine_hears_of_it_and_ends_what_runs_first(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remover, "WAIT", 0.01)
    bench = await started(clock=SystemClock(), max_instances=0)
    gone = removed(bench, monkeypatch)
    version = await bench.version()
    id = await bench.submit(version)  # waits for ever: there is no room for an instance
    await bench.store.versions.delete(version.id, bench.clock.now())
    bench.bus.submit(VersionDeleted(version_id=version.id))
    async with asyncio.timeout(60):
        await gone.wait()
    assert await bench.store.predictions.get(id) is None


async def test_a_failing_store_is_tried_again(
    started: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await started(clock=SystemClock())
    gone = removed(bench, monkeypatch)
    pending = bench.store.removals.pending
    refusals = [Unavailable("no store")]

    async def refuse(limit: int) -> Any:
        if refusals:
            raise refusals.pop()
        return await pending(limit)

    monkeypatch.setattr(bench.store.removals, "pending", refuse)
    version = await bench.version()
    await bench.store.versions.delete(version.id, bench.clock.now())
    bench.bus.submit(VersionDeleted(version_id=version.id))
    async with asyncio.timeout(60):
        await gone.wait()
    assert refusals == []
    assert "could not be removed yet" in caplog.text
