"""What can go, and what must not."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth import ids
from hearth.domain.batch import BatchState, Item
from hearth.domain.model import BuildState, Recipe, SourceFile
from hearth.store.base import Store

from .test_batches import NOW, batch


def source(*contents: str) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(path=f"f{n}", sha256=sha256, size=1) for n, sha256 in enumerate(contents))


async def test_ids_without_rows_are_nameless(store: Store, make):
    file, made = make.file(), batch()
    await store.files.add(file)
    await store.batches.create(made)
    assert set(await store.garbage.nameless_files([file.id, "x", made.id])) == {"x", made.id}
    assert set(await store.garbage.nameless_batches([file.id, made.id])) == {file.id}
    assert await store.garbage.nameless_files([]) == []


async def test_environments_without_versions_are_nameless(store: Store, make):
    model = make.model()
    await store.models.create(model)
    version = make.version(model, recipe=Recipe(source=(), environment="e1"))
    await store.versions.add(version)
    assert await store.garbage.nameless_environments(["e1", "e2"]) == ["e2"]
    await store.versions.delete(version.id, 5.0)
    assert set(await store.garbage.nameless_environments(["e1", "e2"])) == {"e1", "e2"}


async def test_contents_are_condemned_until_they_are_pardoned(store: Store, make):
    model = make.model()
    await store.models.create(model)
    await store.versions.add(make.version(model, recipe=Recipe(source=source("of a version"), environment="e")))
    build = make.build(source=source("of a build", "of nobody later"))
    await store.builds.create(build)
    every = ["of a version", "of a build", "of nobody", "of nobody later"]
    assert await store.garbage.condemn(every) == ["of nobody"]
    assert await store.garbage.condemned() == ["of nobody"]
    assert await store.garbage.condemned(["of a build"]) == []
    assert await store.garbage.condemn(["of nobody"]) == ["of nobody"]  # again, after a crash
    await store.builds.move(build.id, BuildState.FAILED, at=1.0)
    assert set(await store.garbage.condemn(every)) == {"of a build", "of nobody", "of nobody later"}
    await store.garbage.pardon(["of nobody", "of a build"])
    assert await store.garbage.condemned() == ["of nobody later"]


async def test_a_build_and_who_condemns_never_overlook_each_other(store: Store, make):
    """Whoever comes first, the other knows."""
    for _ in range(20):
        content = ids.random32()
        build = make.build(source=source(content))

        async def push(build=build, content=content) -> bool:
            await store.builds.create(build)
            return bool(await store.garbage.condemned([content]))

        waits, condemned = await asyncio.gather(push(), store.garbage.condemn([content]))
        assert waits or not condemned


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("vbdc"), st.integers(0, 5)), max_size=20))
async def test_what_is_needed_is_never_condemned(store: Store, make, steps: list[tuple[str, int]]):
    """Versions come and go, builds open and end, in any order."""
    run = ids.random32()
    model = make.model()
    await store.models.create(model)
    versions: dict[str, set[str]] = {}
    builds: dict[str, set[str]] = {}
    for what, number in steps:
        contents = {f"{run}{number}", f"{run}{(number + 1) % 6}"}
        if what == "v":
            version = make.version(model, recipe=Recipe(source=source(*contents), environment="e"))
            if await store.versions.add(version):
                versions[version.id] = contents
        elif what == "b":
            build = make.build(source=source(*contents))
            await store.builds.create(build)
            builds[build.id] = contents
        elif what == "d" and (known := [*versions, *builds]):
            gone = known[number % len(known)]
            if gone in versions:
                await store.versions.delete(gone, 1.0)
                del versions[gone]
            else:
                await store.builds.move(gone, BuildState.FAILED, at=1.0)
                del builds[gone]
        else:
            needed = set().union(*versions.values(), *builds.values())
            every = {f"{run}{n}" for n in range(6)}
            condemned = set(await store.garbage.condemn(sorted(every)))
            assert condemned == every - needed
            await store.garbage.pardon(sorted(condemned))


async def test_builds_that_never_came_fail_and_ended_ones_are_forgotten(store: Store, make):
    old, young = make.build(created_at=1.0), make.build(created_at=99.0)
    queued = make.build(created_at=1.0)
    for build in (old, young, queued):
        await store.builds.create(build)
    await store.builds.move(queued.id, BuildState.QUEUED, at=2.0)
    assert await store.garbage.abandon_builds(50.0, 100.0, "It never came.", 10) == 1
    assert await store.garbage.abandon_builds(50.0, 100.0, "It never came.", 10) == 0
    failed = await store.builds.get(old.id)
    assert failed is not None
    assert (failed.state, failed.error, failed.completed_at) == (BuildState.FAILED, "It never came.", 100.0)
    await store.builds.append_log(old.id, "words\n")
    assert await store.garbage.forget_builds(100.0, 10) == 0
    assert await store.garbage.forget_builds(100.1, 10) == 1
    assert await store.builds.get(old.id) is None
    assert await store.builds.log(old.id) == ""
    assert await store.builds.get(young.id) == young


async def test_batches_past_their_retention_are_forgotten(store: Store, make):
    account = make.account()
    await store.accounts.create(account)
    await store.accounts.update(account.id, {"retention": 10.0})
    brief, usual, running = batch(account_id=account.id), batch(), batch()
    for each in (brief, usual, running):
        await store.batches.create(each)
    await store.batches.place(brief.id, [Item(0, "p")])
    for each in (brief, usual):
        await store.batches.end(each.id, BatchState.COMPLETED, "", NOW)
    assert await store.garbage.ended_batches(NOW + 9.9, 100.0, 10) == []
    assert [b.id for b in await store.garbage.ended_batches(NOW + 10.0, 100.0, 10)] == [brief.id]
    assert {b.id for b in await store.garbage.ended_batches(NOW + 100.0, 100.0, 10)} == {brief.id, usual.id}
    assert len(await store.garbage.ended_batches(NOW + 100.0, 100.0, 1)) == 1
    await store.garbage.forget_batches([brief.id, running.id])
    assert await store.batches.get(brief.id) is None
    assert await store.batches.items(brief.id) == []
    assert await store.batches.get(running.id) is not None
