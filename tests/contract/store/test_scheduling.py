from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hearth import ids
from hearth.domain.decision import Action, Decided
from hearth.domain.model import Model
from hearth.domain.scaling import Scaling
from hearth.errors import Conflict
from hearth.store.base import Store
from tests.contract.store.test_deployments import deployment


async def model(store: Store) -> Model:
    made = Model(id=ids.sortable(), account_id="acme", owner="acme", name="hello", created_at=1_700_000_000.5)
    await store.models.create(made)
    return made


def scaling(target: str, **fields: Any) -> Scaling:
    return Scaling(**{"target": target, "changed_at": 1_700_000_000.25, "changed_by": "acme", **fields})


async def test_what_is_wanted_comes_back_as_it_was_stored(store: Store):
    made = await model(store)
    plain = scaling(made.id)
    await store.scalings.put(plain)
    assert await store.scalings.get(made.id) == plain
    full = scaling(
        made.id,
        version="a" * 64,
        warm=2,
        schedule="weekdays 8-19",
        zone="Europe/Berlin",
        idle_timeout=42.5,
        max_waiting=7,
    )
    await store.scalings.put(full)
    assert await store.scalings.get(made.id) == full
    assert await store.scalings.all() == [full]
    assert await store.scalings.remove(made.id)
    assert not await store.scalings.remove(made.id)
    assert await store.scalings.get(made.id) is None


async def test_what_is_wanted_of_nothing_is_refused(store: Store):
    with pytest.raises(Conflict):
        await store.scalings.put(scaling("nobody"))
    assert await store.scalings.all() == []


async def test_what_is_wanted_goes_with_its_model_or_deployment(store: Store):
    made, deployed = await model(store), deployment()
    await store.deployments.create(deployed)
    await store.scalings.put(scaling(made.id))
    await store.scalings.put(scaling(deployed.id, warm=1))
    assert {each.target for each in await store.scalings.all()} == {made.id, deployed.id}
    await store.deployments.delete(deployed.id)
    await store.models.delete(made.id)
    assert await store.scalings.all() == []


def decided(number: int) -> Decided:
    return Decided(
        id=f"{number:08}", at=1_700_000_000.5 + number, action=Action.BOOT, lane="v" * 64, model="acme/hello",
        version="v" * 64, because="the first instance boots",
    )  # fmt: skip


async def test_the_latest_decisions_are_kept(store: Store):
    first, last = [decided(n) for n in range(4)], [decided(n) for n in range(4, 7)]
    last[0] = replace(last[0], action=Action.EVICT, deployment="acme/app", instance="i1", wanted=2)
    await store.decisions.add(first, keep=5)
    assert await store.decisions.latest(10) == first[::-1]
    await store.decisions.add(last, keep=5)
    assert await store.decisions.latest(10) == [*first, *last][:1:-1]
    assert await store.decisions.latest(2) == last[:0:-1]
