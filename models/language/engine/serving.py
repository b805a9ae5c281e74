"""What the model's process does: it takes jobs from a connection, and tells what each step said.

The thread that steps also reads. Another would have to wait for the interpreter, and how soon a busy model hands that
over is a matter of luck. Only what is slow, the reading of a grammar, is done aside.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from .backends import opened
from .backends.base import Plan
from .errors import portable
from .job import Job
from .scheduler import Scheduler
from .shape import Shape
from .tokenizer import of_weights

if TYPE_CHECKING:
    from .grammar import Constraint


def serve(connection: Connection, scheduler: Scheduler) -> None:
    """Runs what comes through the connection, until its other end is closed. First it tells how many tokens fit."""
    connection.send(scheduler.backend.context)
    desk = _Desk(connection, scheduler)
    try:
        while True:
            desk.take()
            if said := scheduler.step():
                desk.tell([(key, portable(word) if isinstance(word, Exception) else word) for key, word in said])
    except (EOFError, OSError):  # nobody listens any more
        return
    finally:
        desk.close()
        scheduler.close()


class _Desk:
    """Jobs come in and words go out, without a wait while there is something to step."""

    def __init__(self, connection: Connection, scheduler: Scheduler) -> None:
        self._connection, self._scheduler = connection, scheduler
        self._reading: dict[int, Job] = {}
        self._shapes: queue.SimpleQueue[tuple[int, Shape] | None] = queue.SimpleQueue()
        self._read: queue.SimpleQueue[tuple[int, Constraint | Exception]] = queue.SimpleQueue()
        self._aside = threading.Thread(target=self._grammars, name="grammars", daemon=True)
        self._bell, self._clapper = os.pipe()
        self._incoming, self._either = select.poll(), select.poll()
        self._incoming.register(connection, select.POLLIN)
        self._incoming.register(self._bell, select.POLLIN)
        self._either.register(connection, select.POLLIN | select.POLLOUT)
        self._aside.start()

    def take(self) -> None:
        """All that is there; if there is nothing to step, wait for more. Raises EOFError, OSError."""
        while events := self._incoming.poll(0 if self._scheduler.busy else None):
            for descriptor, _ in events:
                if descriptor == self._bell:
                    os.read(self._bell, 1)
                    self._add(*self._read.get())
                else:
                    self._hear()

    def tell(self, words: list[tuple[int, object]]) -> None:
        """Reads on for as long as the other side does not: it may be about to hand over something large. Raises
        EOFError, OSError."""
        while not self._either.poll()[0][1] & select.POLLOUT:
            self._hear()
        self._connection.send(words)

    def close(self) -> None:
        self._shapes.put(None)
        self._aside.join()
        os.close(self._bell)
        os.close(self._clapper)

    def _hear(self) -> None:
        """A job, or that nobody wants it any more."""
        key, job = self._connection.recv()
        if job is None:
            self._reading.pop(key, None)
            self._scheduler.drop(key)
        elif job.shape.free:
            self._scheduler.add(key, job)
        else:
            self._reading[key] = job
            self._shapes.put((key, job.shape))

    def _grammars(self) -> None:
        """The thread that reads them."""
        while (asked := self._shapes.get()) is not None:
            key, shape = asked
            found: Constraint | Exception
            try:
                found = self._scheduler.constraint(shape)
            except Exception as error:  # noqa: BLE001 - it ends this job, not the model
                found = error
            self._read.put((key, found))
            os.write(self._clapper, b"\0")

    def _add(self, key: int, found: Constraint | Exception) -> None:
        """Its grammar was read."""
        if (job := self._reading.pop(key, None)) is None:
            return  # it was dropped meanwhile
        if isinstance(found, Exception):
            self._scheduler.refuse(key, found)
        else:
            self._scheduler.add(key, job, found)


def main(descriptor: int) -> None:
    """The process: a `Plan` comes first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the caller closes the socket when it is done
    with Connection(descriptor) as connection:
        try:
            scheduler = loaded(connection.recv())
        except Exception as error:  # noqa: BLE001 - the caller raises it
            connection.send(portable(error))
            return
        serve(connection, scheduler)


def loaded(plan: Plan) -> Scheduler:
    return Scheduler(opened(plan), of_weights(plan.weights))
