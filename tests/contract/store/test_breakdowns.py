"""Lanes that are given up stay so from one start to the next."""

from __future__ import annotations

from msgspec.structs import replace

from hearth.domain.breakdown import Breakdown
from hearth.store.base import Store

NOW = 1_800_000_000.0


async def test_the_last_word_on_a_lane_counts(store: Store, make):
    model = make.model()
    await store.models.create(model)
    version = make.version(model)
    await store.versions.add(version)
    first = Breakdown(
        lane=version.id,
        version_id=version.id,
        model=model.full_name,
        because="no weights",
        logs="a\n",
        failures=5,
        at=NOW,
    )
    other = replace(first, lane="d/1", deployment="ada/fast", at=NOW + 1)
    await store.breakdowns.put(first)
    await store.breakdowns.put(other)
    assert await store.breakdowns.all() == [first, other]
    later = replace(first, because="still none", at=NOW + 2)
    await store.breakdowns.put(later)
    assert await store.breakdowns.all() == [other, later]
    found = await store.breakdowns.of_version(version.id)
    assert sorted(found, key=lambda each: each.at) == [other, later]
    assert await store.breakdowns.of_version("f" * 64) == []
    await store.breakdowns.clear(first.lane)
    await store.breakdowns.clear("unknown")
    assert await store.breakdowns.all() == [other]


async def test_they_go_with_their_version(store: Store, make):
    model = make.model()
    await store.models.create(model)
    version = make.version(model)
    await store.versions.add(version)
    breakdown = Breakdown(lane="x", version_id=version.id, model=model.full_name, because="", failures=5, at=NOW)
    await store.breakdowns.put(breakdown)
    assert await store.versions.delete(version.id, NOW)
    assert await store.breakdowns.all() == []
    await store.breakdowns.put(breakdown)
    assert await store.breakdowns.all() == []
