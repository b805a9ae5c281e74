"""The threads that own SQLite connections: one that writes, a few that read.

The event loop never waits for a disk. Operations are plain functions of a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeAlias, TypeVar

import apsw

from hearth.errors import Unavailable

T = TypeVar("T")
Operation: TypeAlias = Callable[[apsw.Connection], T]
_Outcome: TypeAlias = tuple["asyncio.Future[Any]", Any, Exception | None]


class _Job(NamedTuple):
    operation: Operation[Any]
    future: asyncio.Future[Any]
    soft: bool = False


BATCH = 512
"""Operations in one transaction at most: bounds the wait of those that come next."""

log = logging.getLogger(__name__)


def _deliver(outcomes: list[_Outcome]) -> None:
    for future, result, error in outcomes:
        if future.done():  # its task was cancelled; what it asked for has been done all the same
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


class _Threads(ABC):
    """A queue of jobs and the threads that work it off."""

    def __init__(self, name: str, connections: list[apsw.Connection], loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(connection,), name=f"{name}-{number}", daemon=True)
            for number, connection in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue an operation; it runs whether or not anybody awaits the future. Raises Unavailable after close."""
        if self._closed:
            raise Unavailable("The store is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put([_Job(operation, future)])
        return future

    async def close(self) -> None:
        """Finish what is queued, end the threads and close their connections."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    @abstractmethod
    def _work(self, connection: apsw.Connection) -> None:
        """The body of a thread: take jobs until None comes, then close the connection."""

    def _answer(self, outcomes: list[_Outcome]) -> None:
        try:
            self._loop.call_soon_threadsafe(_deliver, outcomes)
        except RuntimeError:
            log.warning("store.unheard: the event loop ended before %d results reached it", len(outcomes))


class Readers(_Threads):
    """Read-only connections. Each statement sees one moment of the database, never half a transaction."""

    def _work(self, connection: apsw.Connection) -> None:
        while (jobs := self._jobs.get()) is not None:
            for operation, future, _ in jobs:
                if future.cancelled():
                    continue
                try:
                    outcome: _Outcome = (future, operation(connection), None)
                except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
                    outcome = (future, None, error)
                self._answer([outcome])
        connection.close()


class Writer(_Threads):
    """The one writing connection, with group commit.

    Whatever has been queued while the last transaction was written becomes the next one: nobody waits for a
    timer, and a busy server shares one fsync among many; one of soft operations only does without. Each operation
    has its own savepoint, so one that fails takes nothing else with it.
    """

    def __init__(self, name: str, connections: list[apsw.Connection], loop: asyncio.AbstractEventLoop) -> None:
        self._lingering: list[_Job] = []
        super().__init__(name, connections, loop)

    def submit(self, operation: Operation[T], linger: float = 0.0, *, soft: bool = False) -> asyncio.Future[T]:
        """With `linger`, wait up to so many seconds for another operation to share the commit with. The order
        of the calls is kept all the same. `soft`: it reaches the disk with the next one that isn't."""
        if self._closed:
            raise Unavailable("The store is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._lingering.append(_Job(operation, future, soft))
        if linger <= 0:
            self._release()
        elif len(self._lingering) == 1:
            self._loop.call_later(linger, self._release)
        return future

    async def close(self) -> None:
        self._release()
        await super().close()

    def _release(self) -> None:
        if self._lingering:
            jobs, self._lingering = self._lingering, []
            self._jobs.put(jobs)

    def _work(self, connection: apsw.Connection) -> None:
        running = True
        while running:
            batch: list[_Job] = []
            jobs = self._jobs.get()
            while jobs is not None:
                batch += jobs
                if len(batch) >= BATCH or self._jobs.empty():
                    break
                jobs = self._jobs.get()
            running = jobs is not None
            if batch:
                self._answer(_commit(connection, batch))
        connection.close()


def _commit(connection: apsw.Connection, batch: list[_Job]) -> list[_Outcome]:
    execute = connection.execute
    outcomes: list[_Outcome] = []
    level = "NORMAL" if all(job.soft for job in batch) else "FULL"
    try:
        if connection.in_transaction:
            execute("ROLLBACK")
        execute(f"PRAGMA synchronous = {level}")
        execute("BEGIN IMMEDIATE")
        for operation, future, _ in batch:
            execute("SAVEPOINT operation")
            try:
                outcomes.append((future, operation(connection), None))
            except Exception as error:
                if not connection.in_transaction:  # a full disk or a read error made SQLite give up all of it
                    raise
                execute("ROLLBACK TO operation")
                outcomes.append((future, None, error))
            execute("RELEASE operation")
        execute("COMMIT")
    except Exception as error:
        # Should even that fail, the next transaction finds it and gives it up: this thread must live on.
        with contextlib.suppress(apsw.Error):
            if connection.in_transaction:
                execute("ROLLBACK")
        log.exception("store.commit_failed: %d operations were not written", len(batch))
        return [(job.future, None, _not_written(error)) for job in batch]
    return outcomes


def _not_written(error: Exception) -> Unavailable:
    return Unavailable(
        f"The database could not be written: {error}",
        hint="See whether the disk is full or read-only, or another program holds the database.",
    )
