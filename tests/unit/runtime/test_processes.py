"""With real child processes: there is nothing to this module but the system's answers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hearth.runtime import processes
from hearth.runtime.processes import Process


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["sleep", "600"], env={"HEARTH_TEST": "a b", **os.environ}, start_new_session=True)
    yield child
    child.kill()
    child.wait()


@pytest.mark.parametrize("table", [processes.table, processes.table_of_ps])
def test_a_table_knows_a_child(table: object, sleeper: subprocess.Popen[bytes]) -> None:
    assert callable(table)
    found: Process = table()[sleeper.pid]
    assert found.parent == os.getpid()
    assert (found.group, found.session) == (sleeper.pid, sleeper.pid)
    assert found.alive
    assert found.memory > 0
    assert found.started


def test_the_dead_are_told_from_the_living(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    found = processes.table()[sleeper.pid]
    assert not found.alive
    assert not processes.table_of_ps()[sleeper.pid].alive
    if sys.platform == "linux":
        assert processes.ending(found.status) == "was killed by SIGKILL (out of memory?)"
    sleeper.wait()
    assert processes.find(sleeper.pid) is None


def test_marked_processes_are_found_by_their_environment(sleeper: subprocess.Popen[bytes]) -> None:
    assert sleeper.pid in processes.marked("HEARTH_TEST=a b")
    assert sleeper.pid not in processes.marked("HEARTH_TEST=a")
    home = f"HOME={os.environ['HOME']}"
    assert sleeper.pid in processes.marked_by_ps(home)
    assert sleeper.pid not in processes.marked_by_ps(home + "x")


def test_descendants_are_found_through_generations() -> None:
    def process(pid: int, parent: int) -> Process:
        return Process(pid, parent, pid, pid, True, 0, "", False, 0)

    table = {p.pid: p for p in (process(2, 1), process(3, 2), process(4, 3), process(5, 1))}
    assert processes.descendants(table, 2) == {3, 4}
    assert processes.descendants(table, 5) == set()


def test_a_family_is_found_from_its_head(sleeper: subprocess.Popen[bytes]) -> None:
    found = {process.pid: process for process in processes.family(os.getpid())}
    assert found[sleeper.pid].parent == os.getpid()
    assert os.getpid() in found
    assert os.getppid() not in found
    assert [process.pid for process in processes.family(sleeper.pid)] == [sleeper.pid]


def test_kill_all_goes_on_until_nothing_is_found(sleeper: subprocess.Popen[bytes]) -> None:
    def members() -> list[Process]:
        found = processes.find(sleeper.pid)
        return [found] if found is not None else []

    assert processes.kill_all(members, 10) == 1
    assert sleeper.wait() == -signal.SIGKILL
    assert processes.kill_all(members, 10) == 0


def test_a_later_process_with_the_same_number_is_spared(sleeper: subprocess.Popen[bytes]) -> None:
    found = processes.find(sleeper.pid)
    assert found is not None
    asked = iter([[found._replace(started="another time")], []])
    processes.kill_all(lambda: next(asked), 1)
    assert sleeper.poll() is None


async def test_an_exit_is_noticed_with_its_status(sleeper: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int | None] = loop.create_future()
    processes.watch_exit(loop, sleeper.pid, ended.set_result)
    sleeper.terminate()
    assert processes.ending(await ended) == "was killed by SIGTERM"


async def test_a_watch_that_is_stopped_says_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    first: asyncio.Future[int | None] = loop.create_future()
    second: asyncio.Future[int | None] = loop.create_future()
    stop = processes.watch_exit(loop, sleeper.pid, first.set_result)
    stop()
    stop()
    processes.watch_exit(loop, sleeper.pid, second.set_result)
    sleeper.terminate()
    await second
    assert not first.done()


async def test_watching_nobody_is_an_error(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ProcessLookupError):
        processes.watch_exit(asyncio.get_running_loop(), sleeper.pid, lambda _: None)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with code 0"),
        (3 << 8, "exited with code 3"),
        (signal.SIGSEGV | 0x80, "was killed by SIGSEGV"),
        (signal.SIGKILL, "was killed by SIGKILL (out of memory?)"),
        (None, "ended"),
    ],
)
def test_endings_in_words(status: int | None, words: str) -> None:
    assert processes.ending(status) == words
