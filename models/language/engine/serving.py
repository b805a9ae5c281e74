"""What the model's process does: it takes jobs from a connection, and tells what each step said."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from .backends import opened
from .backends.base import Plan
from .errors import portable
from .scheduler import Scheduler
from .tokenizer import of_weights


def serve(connection: Connection, scheduler: Scheduler) -> None:
    """Runs what comes through the connection, until its other end is closed. First it tells how many tokens fit."""
    connection.send(scheduler.backend.context)
    inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, scheduler, inbox), name="jobs", daemon=True).start()
    try:
        while True:
            while not inbox.empty() or not scheduler.busy:
                asked = inbox.get()
                if asked is None:
                    return
                asked()
            if said := scheduler.step():
                connection.send([(key, portable(word) if isinstance(word, Exception) else word) for key, word in said])
    except OSError:  # nobody listens any more
        return
    finally:
        scheduler.close()


def _receive(connection: Connection, scheduler: Scheduler, inbox: queue.SimpleQueue[Any]) -> None:
    """Always reads, and never writes: so the other side, which does both, never waits for long."""
    try:
        while True:
            key, job = connection.recv()
            if job is None:
                inbox.put(partial(scheduler.drop, key))
                continue
            try:
                inbox.put(partial(scheduler.add, scheduler.prepare(key, job)))
            except Exception as error:  # noqa: BLE001 - it ends this job, not the model
                inbox.put(partial(scheduler.refuse, key, error))
    except (EOFError, OSError):
        inbox.put(None)


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
