"""One process group that we started and that ends with us.

Whoever ends this server, even by SIGKILL, ends the group: its processes inherit the read end of a pipe whose
write end only we hold. On Linux the kernel itself sends SIGKILL to the whole group when that end closes
(F_SETOWN and F_SETSIG on the read end), also while a model holds the GIL in native code; elsewhere a thread
of `cog/launch.py` and `cog/wrapper.py` reads the pipe. PR_SET_PDEATHSIG would end a single process only, and
on the death of a thread already. What left the group is found by the marker in its environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from hearth.runtime import processes
from hearth.runtime.printed import Origin, Printed
from hearth.runtime.processes import Process

ALIVE = "HEARTH_ALIVE_FD"
LOWEST = 128
"""The number that the pipe which ends a group has in there, at least. coglet's worker puts its own on 99 to 101, and
takes its orders from 99: a thread of ours that reads there would take them away (health checks, cancels)."""
END_PATIENCE = 10.0
"""Seconds that a killed process has to be dead."""


class Leader(Protocol):
    """The first process of a group; somebody has to `wait` for it once it is dead, that its pid can be used again."""

    @property
    def pid(self) -> int: ...
    def wait(self) -> object: ...


class Pipes(NamedTuple):
    """What a new group is given: standard input, what takes its output, and the pipe by which it ends with us."""

    input: int
    output: int
    alive: int


Fork = Callable[[Pipes], Awaitable[Leader]]
"""Starts the leader in a session of its own, by another way than `start`."""


class Group:
    """Made by `start` or `forked`. `exited` resolves with the leader's `wait` status; others may live on: `end` it.
    `worker` resolves likewise for its first child, once `meet_worker` has found it."""

    def __init__(self, leader: Leader, alive: int, printed: Printed, marker: str | None) -> None:
        self.pid = leader.pid
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int | None] = loop.create_future()
        self.worker: asyncio.Future[int | None] = loop.create_future()
        self._leader = leader
        self._alive = alive
        self._printed = printed
        self._marker = marker
        self._watches: list[Callable[[], None]] = [processes.watch_exit(loop, leader.pid, self.exited.set_result)]

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        marker: str | None,
        on_line: Callable[[Origin, str], None],
        pass_fds: Sequence[int] = (),
    ) -> Group:
        """Starts `command` in `folder` with exactly `environment` and the descriptor named by ALIVE.

        `marker` is a `NAME=value` of the environment that belongs to this group alone; None for a group that may leave
        others behind, which then have to be groups of their own. Raises OSError.
        """
        with _pipes() as (pipes, ours):
            leader = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment, ALIVE: str(pipes.alive)},
                stdin=pipes.input,
                stdout=pipes.output,
                stderr=pipes.output,
                pass_fds=(pipes.alive, *pass_fds),
                start_new_session=True,
            )
            return cls._of(leader, pipes, ours, marker, on_line)

    @classmethod
    async def forked(cls, fork: Fork, *, marker: str, on_line: Callable[[Origin, str], None]) -> Group:
        """The group whose leader `fork` makes. Raises what it raises. Cancelling ends what was started."""
        with _pipes() as (pipes, ours):
            forking = asyncio.ensure_future(fork(pipes))
            try:
                leader = await asyncio.shield(forking)
            except asyncio.CancelledError:
                await asyncio.wait([forking])
                if forking.exception() is None:
                    await cls._of(forking.result(), pipes, ours, marker, on_line).end()
                raise
            return cls._of(leader, pipes, ours, marker, on_line)

    @classmethod
    def _of(
        cls, leader: Leader, pipes: Pipes, ours: list[int], marker: str | None, on_line: Callable[[Origin, str], None]
    ) -> Group:
        """Takes what is `ours` over: the writing end of `alive`, the reading end of `output`."""
        if sys.platform == "linux":
            fcntl.fcntl(pipes.alive, fcntl.F_SETOWN, -leader.pid)
            fcntl.fcntl(pipes.alive, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(pipes.alive, fcntl.F_SETFL, fcntl.fcntl(pipes.alive, fcntl.F_GETFL) | os.O_ASYNC)
        alive, output = ours
        ours.clear()
        return cls(leader, alive, Printed(output, on_line), marker)

    def meet_worker(self) -> bool:
        """Begins to watch the leader's first child; False while there is none."""
        if len(self._watches) == 1:
            children = [p for p in processes.family(self.pid) if p.parent == self.pid]
            # The dead one is it only if there is no other: of a forked group the one that waited may have failed.
            children.sort(key=lambda process: not process.alive)
            with contextlib.suppress(ProcessLookupError):
                loop = asyncio.get_running_loop()
                self._watches += [processes.watch_exit(loop, p.pid, self.worker.set_result) for p in children[:1]]
        return len(self._watches) > 1

    def pids(self) -> list[int]:
        """Of the leader and its descendants."""
        return [process.pid for process in processes.family(self.pid)]

    def go_on(self) -> None:
        """Wakes the leader and its children if somebody has stopped them (SIGSTOP): nobody else would."""
        for process in processes.family(self.pid):
            if process.stopped and self.pid in (process.pid, process.parent):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, signal.SIGCONT)

    def drain(self) -> None:
        """Takes what was printed up to now."""
        self._printed.drain()

    def kill(self) -> None:
        """SIGKILLs every member, without waiting. What left the group has to wait for `end`."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says so of a group of zombies
            os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kills every member and whoever left the group, and waits until they are dead.

        Raises TimeoutError when one of them resists: it hangs in a system call of a driver or a file system.
        """
        self.kill()
        await asyncio.to_thread(processes.kill_all, self._members, END_PATIENCE)
        async with asyncio.timeout(END_PATIENCE):
            await asyncio.shield(self.exited)
        # Not before: as long as the dead leader is not reaped nobody else gets its pid, the group's name.
        self._leader.wait()
        for stop in self._watches:
            stop()
        self._printed.close()
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1

    def _members(self) -> list[Process]:
        table = processes.table()
        marked = processes.marked(self._marker) if self._marker is not None else ()
        family = processes.descendants(table, self.pid) if self._marker is not None else ()
        return [
            process
            for process in table.values()
            if self.pid in (process.pid, process.group, process.session)
            or process.pid in family
            or process.pid in marked
        ]


@contextlib.contextmanager
def _pipes() -> Iterator[tuple[Pipes, list[int]]]:
    """What a group is given, closed afterwards; and our two ends, closed too unless somebody clears the list."""
    ours = list[int]()
    theirs = [os.open(os.devnull, os.O_RDONLY)]
    try:
        low, write = os.pipe()
        ours, theirs = [write], [*theirs, low]
        alive = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, LOWEST)
        theirs.append(alive)
        read, output = os.pipe()
        ours, theirs = [*ours, read], [*theirs, output]
        yield Pipes(theirs[0], output, alive), ours
    finally:
        for fd in (*ours, *theirs):
            os.close(fd)
