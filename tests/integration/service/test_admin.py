"""What admins may see and ask of the scheduler, and what owners may want of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hearth.blobs.obstore import ObstoreBlobs
from hearth.clock import SystemClock
from hearth.domain.account import Account
from hearth.domain.decision import Action
from hearth.errors import Conflict, InvalidRequest, NotFound, Unavailable
from hearth.service.admin import Admin
from hearth.service.deployments import Deployments
from hearth.service.scaling import Scalings
from hearth.store.sqlite.store import SQLiteStore
from hearth.testing.engine import Bench


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    store = SQLiteStore(tmp_path / "hearth.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def bench(store: SQLiteStore, tmp_path: Path) -> Any:
    async with Bench(store, ObstoreBlobs.local(tmp_path / "blobs"), tmp_path / "work") as bench:
        yield bench


@pytest.fixture
async def boss(bench: Bench) -> Account:
    return replace(await bench.account(), admin=True)


@pytest.fixture
def admin(bench: Bench) -> Admin:
    return Admin(store=bench.store, bus=bench.bus, clock=bench.clock)


async def test_an_instance_is_booted_and_stopped(bench: Bench, admin: Admin, boss: Account) -> None:
    version = await bench.version()
    lane = await admin.boot(boss, model="ada/model")
    assert (lane.version, lane.booting, lane.wanted) == (version.id, 1, 1)
    await bench.runtime.until(ready=1)
    (instance,) = bench.runtime.alive
    with pytest.raises(Conflict, match="One instance of ada/model runs already, as many as may"):
        await admin.boot(boss, model="ada/model", version=version.id)
    bench.engine._supervisor._show()
    assert admin.instance(boss, instance.id).model == "ada/model"
    admin.stop(boss, instance.id)
    await instance.lost
    assert [d.action for d in admin.decisions(boss)] == [Action.STOP, Action.BOOT]
    assert admin.decisions(boss, 1)[0].because == "ada stopped it"


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"model": "ada/none"}, NotFound),
        ({"model": "ada/model", "version": "f" * 64}, NotFound),
        ({"deployment": "ada/none"}, NotFound),
        ({}, InvalidRequest),
        ({"model": "ada/model", "deployment": "ada/app"}, InvalidRequest),
    ],
)
async def test_what_cannot_be_booted(
    bench: Bench, admin: Admin, boss: Account, named: dict[str, str], error: type[Exception]
) -> None:
    await bench.version()
    with pytest.raises(error):
        await admin.boot(boss, **named)


async def test_a_pause_says_why_and_ends(bench: Bench, admin: Admin, boss: Account) -> None:
    await bench.version()
    assert admin.pause(boss).paused == "ada paused it"
    with pytest.raises(Unavailable):
        await admin.boot(boss, model="ada/model")
    assert admin.resume(boss).paused is None


async def test_for_others_it_does_not_exist(bench: Bench, admin: Admin) -> None:
    caller = await bench.account()
    calls: list[Callable[[], Any]] = [
        lambda: admin.overview(caller),
        lambda: admin.decisions(caller),
        lambda: admin.instances(caller),
        lambda: admin.stop(caller, "i"),
        lambda: admin.pause(caller),
        lambda: admin.resume(caller),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    with pytest.raises(NotFound):
        await admin.boot(caller, model="ada/model")


@pytest.mark.parametrize("last", [0, 1001])
async def test_a_number_of_decisions_that_nobody_keeps(admin: Admin, boss: Account, last: int) -> None:
    with pytest.raises(InvalidRequest, match="last"):
        admin.decisions(boss, last)


@pytest.fixture
def scalings(bench: Bench) -> Scalings:
    deployments: Any = Deployments(
        store=bench.store, bus=bench.bus, versions=None, clock=bench.clock, skus=lambda: ["cpu"]
    )  # type: ignore[arg-type]
    return Scalings(
        store=bench.store,
        bus=bench.bus,
        clock=SystemClock(),
        models=None,
        deployments=deployments,  # type: ignore[arg-type]
    )


async def test_what_is_wanted_is_stored_and_followed(bench: Bench, scalings: Scalings, boss: Account) -> None:
    version = await bench.version()
    target = await scalings.of_model(boss, "ada", "model")
    assert await scalings.get(target) is None
    standing = await scalings.put(boss, target, warm=1, schedule=" daily   0-24 ", zone="Europe/Berlin")
    assert (standing.warm_now, standing.scaling.schedule, standing.next_change) == (1, "daily 0-24", None)
    assert standing.because == "1 instance is kept warm now: daily 0-24 (Europe/Berlin)"
    await bench.runtime.until(ready=1)
    assert bench.runtime.alive[0].spec.version_id == version.id
    assert await scalings.get(target) is not None
    await scalings.remove(target)
    with pytest.raises(NotFound):
        await scalings.remove(target)


async def test_every_wrong_field_is_named(bench: Bench, scalings: Scalings, boss: Account) -> None:
    await bench.version()
    other = await bench.version("other")
    target = await scalings.of_model(boss, "ada", "model")
    with pytest.raises(InvalidRequest) as raised:
        await scalings.put(
            boss, target, warm=99, schedule="someday 8-9", zone="UTC", version=other.id, idle_timeout=0.1, max_waiting=0
        )
    assert [error.pointer for error in raised.value.errors] == [
        "/warm",
        "/idle_timeout",
        "/max_waiting",
        "/schedule",
        "/version",
    ]
