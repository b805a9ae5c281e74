"""The model in a process of its own, which does nothing but step it.

Python runs one thread at a time: beside the event loop that hands on every token, and whatever else the caller does,
a model of small matrices would wait for its turn again and again. So the two processes share a socket: jobs go one
way, and what a step said, all of it in one message, comes back the other.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from .backends.base import Plan
from .errors import ModelError
from .job import Job, Piece, Word

CLOSE_PATIENCE = 5.0
"""Seconds for the process to end by itself."""


class Apart:
    """A `Source`: hands jobs to the other side of a connection. Belongs to one thread."""

    def __init__(self, connection: Connection, died: Callable[[], None] = lambda: None) -> None:
        """`died`: called when the other side is gone, though nobody closed it."""
        self._connection, self._died = connection, died
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keys = itertools.count()
        self._listening: dict[int, asyncio.Queue[Word]] = {}
        self._closed = False

    def wait(self) -> Self:
        """Until the model is loaded. Raises what that raised. Nothing can be run before."""
        try:
            found = self._connection.recv()
        except (EOFError, OSError):
            self._died()
            raise ModelError("the model's process ended while it was loaded") from None
        if isinstance(found, Exception):
            raise found
        self.context: int = found
        return self

    async def run(self, job: Job) -> AsyncIterator[Piece]:
        self._attach()
        key, words = next(self._keys), asyncio.Queue[Word]()
        self._listening[key] = words
        try:
            self._send(key, job)
            while True:
                word = await words.get()
                if isinstance(word, Exception):
                    raise word
                yield word
                if word.ended:
                    return
        finally:
            if self._listening.pop(key, None) is not None:
                self._send(key, None)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        for words in self._listening.values():
            words.put_nowait(RuntimeError("the model was closed"))
        self._listening.clear()

    def _attach(self) -> None:
        """Hear of news in the event loop that runs."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise RuntimeError("the model is closed")
        if loop is not self._loop:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._connection.fileno())
            loop.add_reader(self._connection.fileno(), self._read)
            self._loop = loop

    def _send(self, key: int, job: Job | None) -> None:
        try:
            self._connection.send((key, job))
        except OSError:
            self._lost()

    def _read(self) -> None:
        """One message: the loop calls again if there are more."""
        try:
            said = self._connection.recv()
        except (EOFError, OSError):
            self._lost()
            return
        except Exception:  # noqa: BLE001 - what can't be read will never be answered
            traceback.print_exc()
            self._lost()
            return
        for key, word in said:
            if (words := self._listening.get(key)) is None:
                continue  # it was dropped, and did not know yet
            if isinstance(word, Exception) or word.ended:
                del self._listening[key]
            words.put_nowait(word)

    def _lost(self) -> None:
        if not self._closed:
            self.close()
            self._died()


class Process(Apart):
    """The model in a child process, which ends with this one. If it ends by itself, this process ends in the same way:
    whoever watches over it sees that it ran out of memory, say, and starts another."""

    def __init__(self, plan: Plan) -> None:
        ours, theirs = socket.socketpair()
        root, package = Path(__file__).parent.parent, __name__.partition(".")[0]
        code = (
            f"import sys; sys.path.insert(0, {str(root)!r}); from {package}.serving import main; main(int(sys.argv[1]))"
        )
        with theirs:
            command = [sys.executable, "-c", code, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        connection = Connection(ours.detach())
        connection.send(plan)
        super().__init__(connection, self._follow)

    def close(self) -> None:
        super().close()
        try:
            self._process.wait(CLOSE_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _follow(self) -> None:
        code = self._process.wait()
        follow(f"the model's process ended with {code}", code)


def follow(words: str, code: int) -> None:
    """The model is gone: end as it did, and whoever watches over this process starts another. `code`: as `Popen` has
    it."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code or 1)
