"""Processes seen from outside: which exist, whose they are, when and how they end.

Linux answers from /proc and with pidfds; elsewhere `ps` and kqueue do. A zombie is not a live process:
where PID 1 reaps late, dead ones stay listed for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LINUX = sys.platform == "linux"
_PIDFD_INFO = struct.Struct("=Q52xi")
"""linux/pidfd.h: which fields are asked for and given, and the exit code, of the 64 bytes of version 0."""
_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 1 << 3


class Process(NamedTuple):
    pid: int
    parent: int
    group: int
    session: int
    alive: bool
    memory: int
    """Bytes, resident."""
    started: str
    """Opaque; with the pid it names one process for good, as pids come round again."""
    stopped: bool
    """By a signal; it does nothing until it gets SIGCONT."""
    status: int
    """How a zombie ended, as `wait` tells it; 0 for the living and where the system doesn't say."""


def table() -> dict[int, Process]:
    """Every process there is."""
    return _table_of_proc() if _LINUX else table_of_ps()


def find(pid: int) -> Process | None:
    """One process, unless it is gone."""
    return _read_stat(str(pid)) if _LINUX else table().get(pid)


def marked(marker: str) -> dict[int, str]:
    """The environments of all processes that have `marker` (`NAME=value`) in theirs, as far as we may read
    them; variables are separated by NUL (by blanks where `ps` is asked)."""
    return _marked_by_proc(marker) if _LINUX else marked_by_ps(marker)


def descendants(processes: dict[int, Process], root: int) -> set[int]:
    """`root`'s children, their children and so on."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in found:
                found.add(pid)
                waiting.append(pid)
    return found


def family(root: int) -> list[Process]:
    """`root` and its descendants. On Linux it reads nothing of other processes, however many there are."""
    if not _LINUX:
        processes = table()
        return [processes[pid] for pid in {root, *descendants(processes, root)} if pid in processes]
    found = []
    waiting = [str(root)]
    while waiting:
        pid = waiting.pop()
        process = _read_stat(pid)
        if process is not None:
            found.append(process)
            waiting += _children(pid)
    return found


def kill_all(members: Callable[[], Iterable[Process]], patience: float) -> int:
    """SIGKILLs what `members` finds, again and again until it finds nothing alive; how many there were.

    Blocks. Gives up after `patience` seconds: a process in an uninterruptible system call outlives SIGKILL.
    """
    killed: set[tuple[int, str]] = set()
    until = time.monotonic() + patience
    while time.monotonic() < until:
        alive = [process for process in members() if process.alive]
        if not alive:
            break
        _kill(alive, max(0.0, until - time.monotonic()))
        killed.update((process.pid, process.started) for process in alive)
    return len(killed)


def watch_exit(loop: asyncio.AbstractEventLoop, pid: int, ended: Callable[[int | None], None]) -> Callable[[], None]:
    """Calls `ended` once when the process, ours or not, is dead, with its `wait` status as far as it is known.

    Returns what ends the watch. Raises ProcessLookupError when there is no such process.
    """
    fd, close = _exit_descriptor(pid)
    watching = True

    def stop() -> None:
        nonlocal watching
        if watching:
            watching = False
            loop.remove_reader(fd)
            close()

    def fired() -> None:
        status = _status(fd, pid)
        stop()
        ended(status)

    loop.add_reader(fd, fired)
    return stop


def ending(status: int | None) -> str:
    """A `wait` status in words: `exited with code 3`, `was killed by SIGSEGV`, `ended`."""
    if status is None:
        return "ended"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory?)" if code == -signal.SIGKILL else "")


def _table_of_proc() -> dict[int, Process]:
    found = {}
    for name in os.listdir(_PROC):
        if name.isdigit() and (process := _read_stat(name)) is not None:
            found[process.pid] = process
    return found


def _read_stat(pid: str) -> Process | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)  # a third of the time that open() takes
    except FileNotFoundError:
        return None
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)
    # The command's name may hold blanks and parentheses; the fields are counted from its end.
    fields = text[text.rindex(b")") + 2 :].split()
    alive = fields[0] not in (b"Z", b"X")
    return Process(
        pid=int(pid),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        alive=alive,
        memory=int(fields[21]) * _PAGE,
        started=fields[19].decode(),
        stopped=fields[0] == b"T",
        status=0 if alive else int(fields[49]),
    )


def _children(pid: str) -> list[str]:
    found: list[str] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            fd = os.open(f"/proc/{pid}/task/{thread}/children", os.O_RDONLY)
            try:
                found += os.read(fd, 65536).decode().split()
            finally:
                os.close(fd)
    return found


def _marked_by_proc(marker: str) -> dict[int, str]:
    wanted = marker.encode()
    found = {}
    for name in os.listdir(_PROC):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                content = file.read()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if wanted in content and wanted in content.split(b"\0"):
            found[int(name)] = content.decode(errors="replace")
    return found


def table_of_ps() -> dict[int, Process]:
    """`table`, from `ps`: slower, and it doesn't tell how a zombie ended."""
    found = {}
    for line in _ps("-axo", "pid=,ppid=,pgid=,sess=,state=,rss=,lstart=").splitlines():
        pid, parent, group, session, state, rss, *started = line.split()
        found[int(pid)] = Process(
            pid=int(pid),
            parent=int(parent),
            group=int(group),
            session=int(session, 16) if not session.isdigit() else int(session),
            alive=not state.startswith("Z"),
            memory=int(rss) * 1024,
            started=" ".join(started),
            stopped=state.startswith("T"),
            status=0,
        )
    return found


def marked_by_ps(marker: str) -> dict[int, str]:
    """`marked`, from `ps`."""
    found = {}
    for line in _ps("axeww", "-o", "pid=,command=").splitlines():
        pid, _, text = line.strip().partition(" ")
        if marker in text.split():
            found[int(pid)] = text
    return found


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], check=True, capture_output=True, text=True, errors="replace").stdout


def _kill(processes: list[Process], patience: float) -> None:
    """Kills exactly these processes, not later ones with their pids, and waits until they are dead."""
    if sys.platform != "linux":
        for process in processes:
            now = find(process.pid)
            if now is not None and now.started == process.started:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.01)
        return
    until = time.monotonic() + patience
    fds = []
    try:
        for process in processes:
            try:
                fd = os.pidfd_open(process.pid)
            except ProcessLookupError:
                continue
            fds.append(fd)
            now = find(process.pid)
            if now is not None and now.started == process.started:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
        for fd in fds:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(max(0.0, until - time.monotonic()) * 1000)
    finally:
        for fd in fds:
            os.close(fd)


def _status(fd: int, pid: int) -> int | None:
    """How the dead process behind a pidfd ended, though it isn't our child.

    Linux 6.15 tells it by the pidfd, even when the parent has reaped it; before, /proc tells it of a zombie.
    """
    if sys.platform != "linux":
        return None
    import fcntl

    info = bytearray(_PIDFD_INFO.size)
    _PIDFD_INFO.pack_into(info, 0, _PIDFD_INFO_EXIT, 0)
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, _PIDFD_GET_INFO, info)
        mask, status = _PIDFD_INFO.unpack_from(info)
        if mask & _PIDFD_INFO_EXIT:
            return int(status)
    process = find(pid)
    return None if process is None or process.alive else process.status


def _exit_descriptor(pid: int) -> tuple[int, Callable[[], None]]:
    """A descriptor that becomes readable when the process is dead, and what closes it."""
    if sys.platform == "linux":
        fd = os.pidfd_open(pid)
        return fd, lambda: os.close(fd)
    queue = select.kqueue()
    event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT)
    try:
        queue.control([event], 0)
    except OSError:
        queue.close()
        raise
    return queue.fileno(), queue.close
