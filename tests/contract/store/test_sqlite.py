"""What only SQLite has: one file and its lock, the writer thread, plans that walk indexes, power cuts."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from hearth.domain.catalog import ModelOrder
from hearth.domain.events import Kind
from hearth.domain.prediction import PredictionKind
from hearth.errors import Conflict, Unavailable
from hearth.store.base import Cursor, Lease
from hearth.store.migrations import Migration, load
from hearth.store.sqlite import SQLiteStore
from hearth.store.sqlite.accounts import SQLiteAccounts
from hearth.store.sqlite.collections import SQLiteCollections
from hearth.store.sqlite.connection import migrate, writing
from hearth.store.sqlite.examples import SQLiteExamples
from hearth.store.sqlite.files import SQLiteFiles
from hearth.store.sqlite.garbage import SQLiteGarbage
from hearth.store.sqlite.models import SQLiteModels, SQLiteVersions
from hearth.store.sqlite.outbox import SQLiteOutbox
from hearth.store.sqlite.predictions import SQLitePredictions
from hearth.store.sqlite.queue import SQLiteQueue
from hearth.store.sqlite.removals import SQLiteRemovals


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hearth.db"


@pytest.fixture
async def store(path: Path):
    store = SQLiteStore(path)
    await store.open()
    yield store
    await store.close()


async def test_a_second_server_on_the_folder_is_refused(store: SQLiteStore, path: Path):
    with pytest.raises(Conflict, match=r"Another Hearth server \(process \d+\) uses the data folder"):
        await SQLiteStore(path).open()
    await store.ping()


async def test_a_closed_store_gives_the_folder_back_and_refuses_work(path: Path, make):
    path = path.parent / "made" / "for it" / "hearth.db"
    first, second = SQLiteStore(path), SQLiteStore(path)
    await first.close()
    await first.open()
    await first.close()
    await first.close()
    with pytest.raises(Unavailable, match="closed"):
        await first.ping()
    with pytest.raises(Unavailable, match="closed"):
        first.predictions.create(make.prediction(), [])
    await second.open()
    await second.close()


async def test_a_newer_database_is_refused_and_left_alone(path: Path):
    store = SQLiteStore(path)
    await store.open()
    await store.close()
    database = apsw.Connection(str(path))
    database.execute("INSERT INTO migrations VALUES (9999, '9999_future.sql', 0)")
    database.close()
    for _ in range(2):  # and the lock is not kept
        with pytest.raises(Conflict, match="newer Hearth"):
            await SQLiteStore(path).open()


def test_a_migration_that_fails_leaves_nothing_behind(path: Path):
    database = writing(path)
    first = Migration(1, "0001_first.sql", "CREATE TABLE a (x)")
    broken = Migration(2, "0002_broken.sql", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)")
    with pytest.raises(apsw.SQLError):
        migrate(database, [first, broken])
    assert database.table_exists(None, "a")
    assert not database.table_exists(None, "b")
    repaired = Migration(2, "0002_broken.sql", "CREATE TABLE b (x)")
    migrate(database, [first, repaired])
    migrate(database, [first, repaired])
    assert database.execute("SELECT number FROM migrations ORDER BY number").fetchall() == [(1,), (2,)]
    database.close()


async def test_commits_are_durable_by_setting(store: SQLiteStore):
    def settings(db: apsw.Connection):
        return [db.execute(f"PRAGMA {name}").get for name in ("synchronous", "journal_mode", "foreign_keys")]

    assert await store._writer.submit(settings) == [2, "wal", 1]


async def test_only_a_transaction_of_soft_operations_does_not_wait_for_the_disk(store: SQLiteStore):
    def level(db: apsw.Connection):
        return db.execute("PRAGMA synchronous").get

    assert await store._writer.submit(level, soft=True) == 1
    go = threading.Event()
    blocked = store._writer.submit(lambda db: go.wait(30))  # what comes meanwhile is one transaction
    both = [store._writer.submit(level, soft=True), store._writer.submit(level)]
    go.set()
    await blocked
    assert await asyncio.gather(*both) == [2, 2]


SOFT = """
import asyncio, os, signal, sys
from pathlib import Path
from hearth.domain.events import Event, Kind
from hearth.store.base import Change
from hearth.store.sqlite import SQLiteStore

async def main(path, id):
    store = SQLiteStore(Path(path))
    await store.open()
    prediction = await store.predictions.get(id)
    output = [Event(0, Kind.OUTPUT, 1.0, "a")]
    assert await store.predictions.record(Change(prediction=prediction, events=output, soft=True))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_soft_change_outlives_its_process(path: Path, make):
    store, prediction = SQLiteStore(path), make.prediction()
    await store.open()
    await store.predictions.create(prediction, [], lease=Lease("gone", 1.0))
    await store.close()
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", SOFT, str(path), prediction.id)
    assert await killed.wait() == -signal.SIGKILL
    await store.open()
    (claim,) = await store.queue.claim("next", 2.0, 20.0, 10)
    assert claim.delivered
    assert [event.data for event in await store.predictions.events(prediction.id)] == ["a"]
    await store.close()


async def test_a_bug_in_one_operation_stays_with_whoever_asked(store: SQLiteStore, make):
    def buggy(db: apsw.Connection) -> None:
        db.execute("INSERT INTO pings VALUES (1, 5)")
        raise ZeroDivisionError

    failing = store._writer.submit(buggy)
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    with pytest.raises(ZeroDivisionError):
        await failing
    assert await store._readers.submit(lambda db: db.execute("SELECT count(*) FROM pings").get) == 0
    with pytest.raises(apsw.SQLError):
        await store._readers.submit(lambda db: db.execute("SELECT nonsense"))
    assert await store.predictions.get(prediction.id) == prediction


async def test_an_event_loop_that_ends_takes_no_thread_with_it(path: Path, make, caplog):
    store, prediction, loop_ended = SQLiteStore(path), make.prediction(), threading.Event()

    async def short_life() -> None:
        await store.open()
        store._writer.submit(lambda db: loop_ended.wait())
        store.predictions.create(prediction, [])

    await asyncio.to_thread(asyncio.run, short_life())
    loop_ended.set()
    await store.close()
    assert "the event loop ended" in caplog.text
    store = SQLiteStore(path)
    await store.open()
    assert await store.predictions.get(prediction.id) == prediction
    await store.close()


async def test_every_ping_writes(store: SQLiteStore, path: Path):
    log = path.with_name("hearth.db-wal")
    sizes = [log.stat().st_size]
    for _ in range(5):
        await store.ping()
        sizes.append(log.stat().st_size)
    assert sizes == sorted(set(sizes))


async def test_readers_cannot_write(store: SQLiteStore):
    with pytest.raises(apsw.ReadOnlyError):
        await store._readers.submit(lambda db: db.execute("DELETE FROM accounts"))


async def test_the_database_itself_refuses_to_leave_an_end(store: SQLiteStore, make):
    prediction = make.prediction()
    await store.predictions.create(prediction, [])
    await store.predictions.record(make.done(prediction))
    for sql in (
        "UPDATE predictions SET phase = 'running', completed_at = NULL",
        "UPDATE predictions SET completed_at = NULL",
    ):
        with pytest.raises(apsw.ConstraintError):
            await store._writer.submit(lambda db, sql=sql: db.execute(sql))
    with pytest.raises(apsw.ConstraintError, match="phase"):
        await store.predictions.create(make.prediction(completed_at=5.0), [])


async def test_a_full_disk_is_unavailable_and_passes(store: SQLiteStore, make):
    (pages,) = await store._writer.submit(lambda db: db.execute("PRAGMA page_count").fetchone())
    await store._writer.submit(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall())
    big, small = make.prediction(input={"text": "x" * 100_000}), make.prediction()
    writes = [store.predictions.create(big, []), store.predictions.create(small, [])]
    with pytest.raises(Unavailable, match="could not be written"):
        await writes[0]
    await asyncio.gather(*writes, return_exceptions=True)
    assert await store.predictions.get(big.id) is None
    await store._writer.submit(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall())
    await store.predictions.create(big, [])
    assert await store.predictions.get(big.id) == big


async def test_the_writer_outlives_a_rollback_that_fails(store: SQLiteStore, make):
    """Were its thread to end, every write would wait for ever, and nobody would be told."""
    refused = ["COMMIT", "ROLLBACK"]

    def authorize(operation: int, what: str | None, *_: str | None) -> int:
        if operation == apsw.SQLITE_TRANSACTION and what in refused:
            refused.remove(what)
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    prediction = make.prediction()
    with pytest.raises(Unavailable, match="could not be written"):
        await store._writer.submit(lambda db: db.set_authorizer(authorize))
    assert refused == []
    await store.predictions.create(prediction, [])
    assert await store.predictions.get(prediction.id) == prediction


async def test_another_program_that_holds_the_database_is_an_obstacle_for_a_while(store: SQLiteStore, path: Path):
    await store._writer.submit(lambda db: db.set_busy_timeout(1))
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked") as refused:
        await store.ping()
    assert "another program" in (refused.value.hint or "")
    other.execute("ROLLBACK")
    other.close()
    await store.ping()


class Inline:
    """Runs operations at once on one connection and keeps the SQL that reads."""

    def __init__(self, database: apsw.Connection) -> None:
        self.database, self.statements = database, set()
        database.set_exec_trace(self._trace)

    def _trace(self, cursor, sql, bindings):
        self.statements.add(sql)
        return True

    async def submit(self, operation):
        return operation(self.database)


# Lists of everything of a kind start at the end of their index; JSON is what the caller gave.
ALLOWED_SCANS = (
    r"SCAN (m USING INDEX models_(public|shown_by_age|shown_by_version)|a USING INDEX accounts_by_age"
    r"|c USING INDEX collections_by_age|b USING INDEX builds_open"
    r"|condemned|json_each|\(subquery-\d+\)|s VIRTUAL TABLE|CONSTANT ROW)"
)


async def test_every_list_and_every_sweep_walks_an_index(path: Path):
    database = writing(path)
    migrate(database, load("hearth.store.sqlite"))
    inline = Inline(database)
    predictions, files = SQLitePredictions(inline, inline), SQLiteFiles(inline, inline)
    outbox, queue = SQLiteOutbox(inline, inline), SQLiteQueue(inline, inline)
    models, versions = SQLiteModels(inline, inline), SQLiteVersions(inline, inline)
    accounts, examples = SQLiteAccounts(inline, inline), SQLiteExamples(inline, inline)
    collections, removals = SQLiteCollections(inline, inline), SQLiteRemovals(inline, inline)
    for cursor in (None, Cursor(1.0, "a"), Cursor(1.0, "a", reverse=True)):
        for source in (None, "api", "web"):
            for bounds in ({}, {"created_after": 1.0, "created_before": 2.0}):
                await predictions.page("a", PredictionKind.PREDICTION, cursor=cursor, source=source, **bounds)
        await files.page("a", cursor=cursor)
        await outbox.page("a", cursor=cursor)
        await models.page(cursor=cursor)
        await models.page(account_id="a", cursor=cursor)
        await versions.page("m", cursor=cursor)
        for by in ModelOrder:
            for ascending in (False, True):
                await models.shown(by, ascending=ascending, cursor=cursor)
        await accounts.page(cursor=cursor)
        await examples.page("m", cursor=cursor)
        await collections.page(cursor=cursor)
    await collections.models("c")
    await models.count("a", 10)
    await models.many(["m"])
    await versions.many(["v"])
    await versions.uses("v", "a")
    await predictions.many(["p"])
    await examples.model_of("p")
    await removals.predictions("v", 10)
    garbage = SQLiteGarbage(inline, inline)
    await garbage.nameless_files(["f"])
    await garbage.nameless_batches(["b"])
    await garbage.nameless_environments(["e"])
    await garbage.condemn(["c"])
    await garbage.condemned(["c"])
    await garbage.ended_batches(1.0, 1.0, 10)
    await garbage.forget_builds(1.0, 10)
    await predictions.scrub(1.0, 10)
    await predictions.events("p", 3)
    await files.expired(1.0, 10)
    await files.of_predictions(["p"])
    await outbox.claim(1.0, 2.0, 10)
    await outbox.next_due()
    await outbox.of_prediction("p")
    await queue.cancels("me")
    await queue.claim("me", 1.0, 2.0, 10)
    reads = [sql for sql in inline.statements if sql.lstrip().startswith("SELECT")]
    assert len(reads) > 30
    database.set_exec_trace(None)
    for sql in reads:
        places = {*re.findall(r"\?\d+", sql)} or re.findall(r"\?", sql)
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * len(places))]
        scans = [step for step in plan if step.startswith("SCAN") and not re.match(ALLOWED_SCANS, step)]
        sorts = [step for step in plan if step.startswith("USE TEMP B-TREE FOR ORDER BY")]
        if "until <= ?1" in sql:  # what is claimed is sorted by age: what ran out, and the merged answer
            assert "SCAN queue USING INDEX queue_waiting" in plan
            assert "SEARCH queue USING INDEX queue_leased (until<?)" in plan
            continue
        assert (scans, sorts) == ([], []), (sql, plan)
        if "(p.created_at, p.id) >" in sql and "(p.created_at, p.id) <" in sql:
            assert (
                "created_at>? AND created_at<?" in plan[0]
                or "(created_at,id)>(?,?) AND (created_at,id)<(?,?)" in plan[0]
            )
    database.close()


WRITER = """
import asyncio, itertools, sys
from pathlib import Path
import msgspec
from hearth import ids
from hearth.domain.events import Event, Kind
from hearth.domain.prediction import Phase, Prediction
from hearth.store.base import Change, Lease
from hearth.store.sqlite import SQLiteStore

async def one(store, n):
    p = Prediction(id=ids.sortable(), account_id="a", model="a/m", version="v", input={"n": n}, created_at=float(n))
    await store.predictions.create(p, [Event(0, Kind.QUEUED, 1.0)], lease=Lease("e", 1e12))
    print("created", p.id, flush=True)
    done = msgspec.structs.replace(p, phase=Phase.SUCCEEDED, completed_at=2.0, output="x" * 5000, events=2)
    assert await store.predictions.record(Change(prediction=done, events=[Event(1, Kind.SUCCEEDED, 2.0)], owner="e"))
    print("done", p.id, flush=True)

async def main():
    store = SQLiteStore(Path(sys.argv[1]))
    await store.open()
    for n in itertools.count(step=8):
        await asyncio.gather(*[one(store, n + i) for i in range(8)])

asyncio.run(main())
"""


def start_writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)


async def test_a_killed_server_loses_nothing_that_it_acknowledged(path: Path):
    acknowledged: dict[str, str] = {}
    for turn in range(1, 6):
        writer = start_writer(path)
        assert writer.stdout is not None
        for _ in range(150 * turn + 37):  # somewhere in the middle of a batch
            state, id = writer.stdout.readline().split()
            acknowledged[id] = state
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            if line.endswith("\n"):
                state, id = line.split()
                acknowledged[id] = state
        writer.stdout.close()
        writer.wait()
        store = SQLiteStore(path)  # the lock went with the process
        await store.open()
        assert await store._readers.submit(lambda db: db.execute("PRAGMA integrity_check").get) == "ok"
        assert await store._readers.submit(lambda db: db.execute("PRAGMA foreign_key_check").fetchall()) == []
        waiting = sum((await store.queue.depth()).values())
        unfinished = await store._readers.submit(
            lambda db: db.execute("SELECT count(*) FROM predictions WHERE completed_at IS NULL").get
        )
        assert waiting == unfinished
        for id, state in acknowledged.items():
            found = await store.predictions.get(id)
            assert found is not None
            assert found.phase.terminal or state == "created"
            kinds = [event.kind for event in await store.predictions.events(id)]
            assert kinds == ([Kind.QUEUED, Kind.SUCCEEDED] if found.phase.terminal else [Kind.QUEUED])
        await store.close()
    assert len(acknowledged) > 400
