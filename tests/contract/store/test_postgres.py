"""What only PostgreSQL has: rivals on other connections, and a server that goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import pytest

from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase
from hearth.errors import Conflict, Unavailable
from hearth.store.base import Change, Lease
from hearth.store.migrations import load
from hearth.store.postgres import PostgresStore


@pytest.fixture
async def stores(database: str) -> AsyncIterator[list[PostgresStore]]:
    """Three servers that start at once on an empty database."""
    stores = [PostgresStore(database) for _ in range(3)]
    await asyncio.gather(*[store.open() for store in stores])
    yield stores
    await asyncio.gather(*[store.close() for store in stores])


async def test_one_of_many_servers_migrates(stores: list[PostgresStore], database: str):
    connection = await asyncpg.connect(database)
    numbers = [number for (number,) in await connection.fetch("SELECT number FROM migrations ORDER BY number")]
    assert numbers == [migration.number for migration in load("hearth.store.postgres")]
    await connection.close()
    await asyncio.gather(*[store.ping() for store in stores])


async def test_a_newer_database_is_refused(stores: list[PostgresStore], database: str):
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO migrations VALUES (9999, '9999_future.sql')")
    await connection.close()
    with pytest.raises(Conflict, match="newer Hearth"):
        await PostgresStore(database).open()


async def test_a_server_that_is_not_there_is_unavailable_and_no_password_is_told():
    with pytest.raises(Unavailable, match=r"PostgreSQL at 127\.0\.0\.1 cannot be used") as refused:
        await PostgresStore("postgresql://me:hunter2@127.0.0.1:1/none").open()
    assert "hunter2" not in refused.value.message + str(refused.value.hint)


async def test_a_database_that_does_not_exist_is_named(server):
    url = urlunsplit(urlsplit(server.url)._replace(path="/nowhere"))
    with pytest.raises(Unavailable, match='"nowhere" does not exist') as refused:
        await PostgresStore(url).open()
    assert "URL" in (refused.value.hint or "")


async def test_a_closed_store_refuses_work(database: str):
    store = PostgresStore(database)
    with pytest.raises(Unavailable):
        await store.ping()
    await store.open()
    await store.close()
    with pytest.raises(Unavailable):
        await store.ping()


async def test_the_store_outlives_a_restart_of_the_server(database: str, server, make):
    store = PostgresStore(database)
    await store.open()
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    if server.restartable:
        server.stop()
        with pytest.raises(Unavailable, match="cannot be used"):
            await store.ping()
        with pytest.raises(Unavailable, match="cannot be used"):
            await store.predictions.create(make.prediction(), [])
        server.start()
    else:
        admin = await asyncpg.connect(server.url)
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hearth'")
        await admin.close()
        with contextlib.suppress(Unavailable):  # whether the pool has noticed is up to the network
            await store.ping()
    assert await store.predictions.get(prediction.id) == prediction
    await store.predictions.create(make.prediction(), [])
    await store.close()


async def test_the_database_itself_refuses_to_leave_an_end(stores: list[PostgresStore], database: str, make):
    prediction = make.prediction()
    await stores[0].predictions.create(prediction, [])
    await stores[0].predictions.record(make.done(prediction))
    connection = await asyncpg.connect(database)
    for sql in (
        "UPDATE predictions SET phase = 'running', completed_at = NULL",
        "UPDATE predictions SET completed_at = NULL",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(sql)
    await connection.close()


async def test_engines_on_many_servers_claim_each_prediction_once(stores: list[PostgresStore], make):
    predictions = [make.prediction() for _ in range(120)]
    await asyncio.gather(*[stores[0].predictions.create(p, []) for p in predictions])

    async def engine(store: PostgresStore, name: str) -> list[str]:
        mine: list[str] = []
        while got := await store.queue.claim(name, 0.0, 1.0, 7):
            mine += [claim.prediction.id for claim in got]
        return mine

    got = await asyncio.gather(*[engine(stores[n % 3], f"e{n}") for n in range(9)])
    got.append(await engine(stores[0], "last"))
    assert sorted(id for mine in got for id in mine) == sorted(p.id for p in predictions)


async def test_a_theft_and_a_record_exclude_each_other(stores: list[PostgresStore], make):
    """Whoever comes first wins; never does the former owner write after the claim that took its lease."""
    for _ in range(40):
        prediction = make.prediction()
        await stores[0].predictions.create(prediction, [], lease=Lease("old", 1.0))
        running = msgspec.structs.replace(prediction, phase=Phase.RUNNING, started_at=1.0, attempt=1)
        recorded, claims = await asyncio.gather(
            stores[1].predictions.record(Change(prediction=running, owner="old")),
            stores[2].queue.claim("new", 1.0, 9.0, 10),
        )
        if claims:
            assert claims[0].prediction == (running if recorded else prediction)
        else:  # the record held the row just then
            assert recorded
            claims = await stores[2].queue.claim("new", 1.0, 9.0, 10)
            assert claims[0].prediction == running
        assert await stores[0].predictions.record(msgspec.structs.replace(make.done(running), owner="new"))


async def test_changes_cancels_and_the_end_of_one_prediction_come_in_some_order(stores: list[PostgresStore], make):
    for _ in range(25):
        prediction = make.prediction()
        await stores[0].predictions.create(prediction, [], lease=Lease("e", 1.0))
        running = msgspec.structs.replace(prediction, phase=Phase.RUNNING, started_at=1.0, attempt=1)

        def log(seq: int, running=running) -> Change:
            return Change(prediction=running, events=[Event(seq, Kind.LOG, 1.0, "x")], owner="e")

        *logged, canceled, ended = await asyncio.gather(
            *[stores[n % 3].predictions.record(log(n)) for n in range(6)],
            stores[1].predictions.request_cancel(prediction.id, 7.0),
            stores[2].predictions.record(msgspec.structs.replace(make.done(running), owner="e")),
        )
        assert ended is True
        found = await stores[0].predictions.get(prediction.id)
        assert found is not None
        assert found.phase is Phase.SUCCEEDED
        assert (found.cancel_requested_at == 7.0) is canceled
        stored = [event.seq for event in await stores[0].predictions.events(prediction.id)]
        assert stored == [n for n, done in enumerate(logged) if done]
        assert await stores[0].queue.depth() == {}


@pytest.mark.parametrize(
    "lost", [asyncpg.InternalClientError("cannot switch to state 12"), ConnectionResetError(), TimeoutError()]
)
async def test_what_a_dying_connection_raises_is_unavailable(
    stores: list[PostgresStore], make, lost: Exception, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(*args: object, **options: object) -> None:
        raise lost

    monkeypatch.setattr(asyncpg.Connection, "execute", refuse)
    with pytest.raises(Unavailable, match="cannot be used"):
        await stores[0].predictions.create(make.prediction(), [])
