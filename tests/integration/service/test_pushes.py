"""Pushes: what arrives is what was named, and the build is queued when all of it is there."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from hearth.bus.base import BuildQueued
from hearth.domain.account import Account
from hearth.domain.events import Event, Kind
from hearth.domain.model import BuildState, SourceFile, Visibility
from hearth.errors import Conflict, InvalidRequest, NotFound, TooLarge

CONTENTS = {"cog.yaml": b"predict: predict.py:P\n", "predict.py": b"class P: ...\n", "data/empty": b""}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def source(contents: dict[str, bytes] = CONTENTS, **changes: Any) -> list[SourceFile]:
    return [SourceFile(path=path, sha256=sha(data), size=len(data)) for path, data in contents.items()]


async def archive(*contents: bytes, zipped: bool = False, name: str | None = None, chunk: int = 700) -> Any:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for content in contents:
            info = tarfile.TarInfo(name or sha(content))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    data = gzip.compress(buffer.getvalue()) if zipped else buffer.getvalue()
    for at in range(0, len(data), chunk):
        yield data[at : at + chunk]


async def start(hearth: Any, caller: Account, files: list[SourceFile] | None = None, **options: Any) -> Any:
    return await hearth.pushes.start(
        caller, "ann", "m", source() if files is None else files, **{"create": True, **options}
    )


@pytest.mark.parametrize("zipped", [False, True])
async def test_a_push_uploads_what_is_missing_and_is_queued(
    hearth: Any, engine: Any, ann: Account, zipped: bool
) -> None:
    build, missing = await start(hearth, ann)
    assert build.state is BuildState.UPLOADING
    assert sorted(missing) == sorted(sha(data) for data in CONTENTS.values())
    assert await hearth.pushes.upload(ann, build.id, archive(*CONTENTS.values(), zipped=zipped)) == []
    assert (await hearth.pushes.get(ann, build.id)).state is BuildState.QUEUED
    assert engine.works == [BuildQueued(build_id=build.id)]
    for file in build.source:
        assert await hearth.blobs.get(file.key) == CONTENTS[file.path]


async def test_a_second_push_uploads_only_what_changed(hearth: Any, engine: Any, ann: Account) -> None:
    build, _ = await start(hearth, ann)
    await hearth.pushes.upload(ann, build.id, archive(*CONTENTS.values()))
    again, missing = await start(hearth, ann)
    assert (again.state, missing) == (BuildState.QUEUED, [])
    assert engine.works[-1] == BuildQueued(build_id=again.id)
    assert (await hearth.pushes.get(ann, again.id)).state is BuildState.QUEUED
    _, missing = await start(hearth, ann, source({**CONTENTS, "predict.py": b"new"}))
    assert missing == [sha(b"new")]


async def test_an_upload_that_broke_off_is_taken_up_again(hearth: Any, engine: Any, ann: Account) -> None:
    build, _ = await start(hearth, ann)
    first, *rest = CONTENTS.values()
    assert sorted(await hearth.pushes.upload(ann, build.id, archive(first))) == sorted(map(sha, rest))
    cut = [chunk async for chunk in archive(rest[0], chunk=520)][:1]  # 8 bytes of its content

    async def broken() -> AsyncIterator[bytes]:
        for chunk in cut:
            yield chunk

    with pytest.raises(InvalidRequest, match="ended too early"):
        await hearth.pushes.upload(ann, build.id, broken())
    assert engine.works == []
    again, missing = await start(hearth, ann)
    assert sorted(missing) == sorted(map(sha, rest))
    assert await hearth.pushes.upload(ann, again.id, archive(*rest)) == []
    assert engine.works == [BuildQueued(build_id=again.id)]


async def test_a_wrong_content_is_refused_and_not_kept(hearth: Any, engine: Any, ann: Account) -> None:
    build, missing = await start(hearth, ann)
    forged = b"X" * len(CONTENTS["predict.py"])
    name = sha(CONTENTS["predict.py"])
    with pytest.raises(InvalidRequest, match=name):
        await hearth.pushes.upload(ann, build.id, archive(forged, name=name))
    assert (await start(hearth, ann))[1] == missing
    assert engine.works == []


async def test_contents_that_nobody_asked_for_are_refused(hearth: Any, ann: Account) -> None:
    build, _ = await start(hearth, ann)
    with pytest.raises(InvalidRequest, match="not part of this push"):
        await hearth.pushes.upload(ann, build.id, archive(b"other"))
    with pytest.raises(InvalidRequest, match="has 5 bytes, announced were 22"):
        await hearth.pushes.upload(ann, build.id, archive(b"short", name=sha(CONTENTS["cog.yaml"])))


async def test_two_uploads_at_once_queue_it_once(hearth: Any, engine: Any, ann: Account) -> None:
    build, _ = await start(hearth, ann)
    await asyncio.gather(*(hearth.pushes.upload(ann, build.id, archive(*CONTENTS.values())) for _ in range(5)))
    assert engine.works == [BuildQueued(build_id=build.id)]
    with pytest.raises(Conflict):
        await hearth.pushes.upload(ann, build.id, archive(*CONTENTS.values()))


async def test_the_model_is_made_only_if_asked(hearth: Any, ann: Account) -> None:
    with pytest.raises(NotFound) as caught:
        await start(hearth, ann, create=False)
    assert "--create" in str(caught.value.hint)
    build, _ = await start(hearth, ann, visibility="public")
    model = await hearth.models.get(ann, "ann", "m")
    assert (build.model_id, build.model, model.visibility) == (model.id, "ann/m", Visibility.PUBLIC)
    assert (await start(hearth, ann, create=False))[0].model_id == model.id


async def test_only_the_owner_and_admins_push(hearth: Any, root: Account, ann: Account, bob: Account) -> None:
    await hearth.version(ann, "m", public=True)
    with pytest.raises(NotFound):
        await start(hearth, bob)
    build, _ = await start(hearth, root)
    assert build.account_id == root.id
    made, _ = await hearth.pushes.start(root, "bob", "n", source(), create=True)
    assert (await hearth.models.get(bob, "bob", "n")).account_id == bob.id
    with pytest.raises(NotFound):
        await hearth.pushes.start(root, "nobody", "n", source(), create=True)
    for stranger in (ann, bob):
        with pytest.raises(NotFound):
            await hearth.pushes.get(stranger, made.id)
        with pytest.raises(NotFound):
            await hearth.pushes.upload(stranger, made.id, archive())


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../b", "a//b", ".", "", "a/", "a\0b", "a\nb", "x" * 256, "é/" * 600 + "x", "\ud800"],
)
async def test_paths_stay_inside(hearth: Any, ann: Account, path: str) -> None:
    files = [*source(), SourceFile(path=path, sha256=sha(b""), size=0)]
    with pytest.raises(InvalidRequest) as caught:
        await start(hearth, ann, files)
    assert caught.value.errors[0].pointer == "/source/3/path"


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (SourceFile(path="cog.yaml", sha256=sha(b""), size=0), "named twice"),
        (SourceFile(path="cog.yaml/x", sha256=sha(b""), size=0), "both a file and a folder"),
        (SourceFile(path="a", sha256="XYZ", size=0), "64 lower-case hex"),
        (SourceFile(path="a", sha256=sha(b"a"), size=-1), "size"),
        (SourceFile(path="a", sha256=sha(b""), size=7), "size"),
    ],
)
async def test_a_manifest_is_checked(hearth: Any, ann: Account, extra: SourceFile, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        await start(hearth, ann, [*source(), extra])


async def test_a_folder_needs_a_cog_yaml(hearth: Any, ann: Account) -> None:
    for files in ([], source({"sub/cog.yaml": b""})):
        with pytest.raises(InvalidRequest, match=r"no cog\.yaml"):
            await start(hearth, ann, files)


async def test_a_push_has_a_size_limit(hearth: Any, ann: Account) -> None:
    with pytest.raises(TooLarge):
        await start(hearth, ann, [*source(), SourceFile(path="big", sha256=sha(b"big"), size=1_000_001)])
    with pytest.raises(InvalidRequest, match="at most 20000"):
        await start(hearth, ann, source() * 7000)


async def test_an_unusual_name_for_a_new_model_is_refused(hearth: Any, ann: Account) -> None:
    with pytest.raises(InvalidRequest):
        await hearth.pushes.start(ann, "ann", "No", source(), create=True)
    with pytest.raises(InvalidRequest):
        await hearth.pushes.start(ann, "ann", "m", source(), create=True, visibility="maybe")


async def test_a_log_is_told_once_in_whole_lines(hearth: Any, engine: Any, ann: Account, bob: Account) -> None:
    build, _ = await start(hearth, ann)
    store, bus = hearth.store.builds, hearth.bus
    await store.append_log(build.id, "one\ntw")
    async with asyncio.timeout(60), aclosing(hearth.pushes.log(ann, build.id)) as log:
        assert await anext(log) == "one\n"
        await store.append_log(build.id, "o\n")
        waiting = asyncio.create_task(anext(log))
        await asyncio.sleep(0)
        bus.publish(build.id, [Event(0, Kind.LOG, 1.0, "o\n")])
        assert await waiting == "two\n"
        await store.append_log(build.id, "three\nlast")
        await store.move(build.id, BuildState.FAILED, at=1.0, error="e")
        bus.publish(build.id, [], ended=True)
        assert [text async for text in log] == ["three\nlast"]
    assert [text async for text in hearth.pushes.log(ann, build.id)] == ["one\ntwo\nthree\nlast"]
    with pytest.raises(NotFound):
        await anext(hearth.pushes.log(bob, build.id))
    assert bus._listeners == {}


async def test_silence_in_a_log_is_told(hearth: Any, ann: Account) -> None:
    hearth.pushes._heartbeat = 0.01
    build, _ = await start(hearth, ann)
    async with asyncio.timeout(60), aclosing(hearth.pushes.log(ann, build.id)) as log:
        assert await anext(log) is None


async def test_a_finished_build_is_the_latest_at_once(hearth: Any, engine: Any, ann: Account) -> None:
    _, old = await hearth.version(ann, "m")
    assert (await hearth.resolver.resolve(ann, version="ann/m")).version == old
    build, _ = await start(hearth, ann)
    await hearth.pushes.upload(ann, build.id, archive(*CONTENTS.values()))
    forget = hearth.resolver.forget
    hearth.resolver.forget = lambda owner, name: None
    _, new = await hearth.version(ann, "m")
    hearth.resolver.forget = forget
    assert (await hearth.resolver.resolve(ann, version="ann/m")).version == old
    hearth.bus.publish(build.id, [], ended=True)
    assert (await hearth.resolver.resolve(ann, version="ann/m")).version == new
