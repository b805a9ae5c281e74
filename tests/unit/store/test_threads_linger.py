"""An operation that may wait shares the commit of the next one, in order, and never waits for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from hearth.errors import Unavailable
from hearth.store.sqlite.threads import Writer


@pytest.fixture
def connection(tmp_path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(tmp_path / "a.db"))
    connection.execute("CREATE TABLE t (n INTEGER)")
    return connection


async def test_a_lingering_operation_shares_the_commit_of_the_next(connection: apsw.Connection) -> None:
    commits: list[int] = []
    connection.set_commit_hook(lambda: commits.append(1) or False)
    writer = Writer("w", [connection], asyncio.get_running_loop())
    first = writer.submit(lambda db: db.execute("INSERT INTO t VALUES (1)").fetchall(), linger=60)
    second = writer.submit(lambda db: db.execute("SELECT n FROM t").fetchall())
    await first
    assert await second == [(1,)]
    assert len(commits) == 1
    await writer.close()


async def test_a_lingering_operation_is_written_in_time_without_another(connection: apsw.Connection) -> None:
    writer = Writer("w", [connection], asyncio.get_running_loop())
    await writer.submit(lambda db: db.execute("INSERT INTO t VALUES (1)").fetchall(), linger=0.001)
    assert await writer.submit(lambda db: db.execute("SELECT n FROM t").fetchall()) == [(1,)]
    await writer.close()


async def test_closing_writes_what_lingers(connection: apsw.Connection, tmp_path: Path) -> None:
    writer = Writer("w", [connection], asyncio.get_running_loop())
    lingering = writer.submit(lambda db: db.execute("INSERT INTO t VALUES (1)").fetchall(), linger=60)
    await writer.close()
    await lingering
    assert apsw.Connection(str(tmp_path / "a.db")).execute("SELECT n FROM t").fetchall() == [(1,)]
    with pytest.raises(Unavailable):
        writer.submit(lambda db: None, linger=60)
