"""What instances take, from one start to the next."""

from __future__ import annotations

from msgspec.structs import replace

from hearth.domain.footprint import Footprint
from hearth.store.base import Store

NOW = 1_800_000_000.0


async def test_the_newest_one_counts(store: Store, make):
    model = make.model()
    await store.models.create(model)
    version = make.version(model)
    await store.versions.add(version)
    first = Footprint(version_id=version.id, model=model.full_name, at=NOW, setup=5 * 10**9)
    train = replace(first, train=True, at=NOW + 1, run=7)
    gpu = replace(first, hardware="gpu-h100", at=NOW + 2, gpu=80 * 10**9)
    for footprint in (first, train, gpu):
        await store.footprints.put(footprint)
    assert await store.footprints.all() == [first, train, gpu]
    later = replace(first, at=NOW + 3, run=6 * 10**9)
    await store.footprints.put(later)
    assert await store.footprints.all() == [train, gpu, later]


async def test_it_goes_with_its_version(store: Store, make):
    model = make.model()
    await store.models.create(model)
    version = make.version(model)
    await store.versions.add(version)
    footprint = Footprint(version_id=version.id, model=model.full_name, at=NOW, setup=1)
    await store.footprints.put(footprint)
    assert await store.versions.delete(version.id, NOW)
    assert await store.footprints.all() == []
    await store.footprints.put(footprint)  # measured a moment before, stored a moment after
    assert await store.footprints.all() == []
