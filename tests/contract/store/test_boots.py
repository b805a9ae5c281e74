"""How long boots took."""

from __future__ import annotations

import pytest

from hearth.domain.boot import Boot, BootPhase, Lap
from hearth.store.base import Store

NOW = 1_800_000_000.0


def boot(version_id: str, at: float, environment: str = "e", forked: bool = False) -> Boot:
    laps = (Lap(BootPhase.IMPORT, 2.5), Lap(BootPhase.SETUP, 0.25))
    return Boot(version_id=version_id, environment=environment, at=at, laps=laps, forked=forked)


@pytest.fixture
def stored(store: Store, make):
    async def version():
        model = make.model()
        await store.models.create(model)
        version = make.version(model)
        await store.versions.add(version)
        return version

    return version


async def test_boots_come_back_newest_first(store: Store, stored):
    version = await stored()
    first, second = boot(version.id, NOW), boot(version.id, NOW + 1, forked=True)
    await store.boots.add(first, 10)
    await store.boots.add(second, 10)
    assert await store.boots.of_version(version.id, 10) == [second, first]
    assert await store.boots.of_version(version.id, 1) == [second]
    assert await store.boots.of_version("nothing", 10) == []


async def test_only_the_latest_of_a_version_are_kept(store: Store, stored):
    version, other = await stored(), await stored()
    await store.boots.add(boot(other.id, NOW), 2)
    for n in range(5):
        await store.boots.add(boot(version.id, NOW + n), 2)
    assert [b.at for b in await store.boots.of_version(version.id, 10)] == [NOW + 4, NOW + 3]
    assert len(await store.boots.of_version(other.id, 10)) == 1


async def test_boots_of_an_environment_are_those_of_all_its_versions(store: Store, stored):
    one, two = await stored(), await stored()
    await store.boots.add(boot(one.id, NOW), 10)
    await store.boots.add(boot(two.id, NOW + 1), 10)
    await store.boots.add(boot(two.id, NOW + 2, environment="f"), 10)
    found = await store.boots.of_environment("e", 10)
    assert [b.version_id for b in found] == [two.id, one.id]


async def test_of_a_deleted_version_nothing_is_kept(store: Store, stored):
    version = await stored()
    await store.boots.add(boot(version.id, NOW), 10)
    await store.versions.delete(version.id, NOW)
    await store.boots.add(boot(version.id, NOW + 1), 10)
    assert await store.boots.of_version(version.id, 10) == []
