"""What one instance may take, enforced with what the machine has.

| what | with cgroups | without |
|---|---|---|
| memory | the kernel ends what goes beyond | watched while it works: beyond, the instance is ended |
| CPUs | its share of time, also fractions | whole CPUs, to which its processes are bound |
| size of a file | rlimit, Linux only | the same |

No address-space or data rlimit for memory: both count what is reserved and never touched, and CUDA reserves hundreds of
gigabytes; and they count each process by itself, so that a model with four workers may take four times as much.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Protocol

import msgspec

from hearth.domain.sizes import size
from hearth.errors import Shortage
from hearth.runtime import memory, processes
from hearth.runtime.cgroups import Cgroup, Cgroups

log = logging.getLogger(__name__)

WATCH = 0.25
"""Seconds between two looks at an instance that works, where no cgroup limits its memory."""
OOM_SCORE = 500
"""Models go before the server when the kernel has to choose."""
_VMSTAT = Path("/proc/vmstat")


class InstanceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of one instance; None: none of its own."""

    memory: int | None = None
    """Bytes, all its processes."""
    cpus: float | None = None
    file_size: int | None = None
    """Bytes of any one file that it writes."""


class Members(Protocol):
    """The processes of an instance."""

    pid: int

    def kill(self) -> None: ...


class Enforcer:
    """`confine` each instance before its processes do anything."""

    def __init__(self, limits: InstanceLimits, cgroups: Cgroups | None) -> None:
        self.limits, self.cgroups = limits, cgroups
        self._turns = count()

    @classmethod
    def detect(cls, limits: InstanceLimits, server: str, *, take: bool = True) -> Enforcer:
        """With cgroups where we may make them. `take`: change our own place in the tree where that is needed."""
        return cls(limits, Cgroups.find(server, take=take) if sys.platform == "linux" else None)

    def confine(self, id: str) -> Confinement:
        cgroup = None
        if self.cgroups is not None:
            try:
                cgroup = self.cgroups.make(id, memory=self.limits.memory, cpus=self.limits.cpus)
            except OSError as error:
                log.warning("no cgroup for instance %s: %s", id, error, extra={"action": "cgroup_failed"})
        return Confinement(self.limits, cgroup, next(self._turns))

    def sweep(self) -> None:
        if self.cgroups is not None:
            self.cgroups.sweep()

    def told(self) -> list[str]:
        """What is enforced by what, in sentences without a full stop."""
        limits, cgroups = self.limits, self.cgroups
        lines = []
        if limits.memory is None:
            lines.append("memory of an instance: no limit")
        elif cgroups is not None and cgroups.limits_memory:
            lines.append(f"memory of an instance: {size(limits.memory)}, by cgroups v{cgroups.version}")
        else:
            lines.append(f"memory of an instance: {size(limits.memory)}, watched (no cgroups), ended when beyond")
        if limits.cpus is None:
            lines.append("CPUs of an instance: no limit")
        elif cgroups is not None and cgroups.limits_cpu:
            lines.append(f"CPUs of an instance: {limits.cpus:g}, by cgroups v{cgroups.version}")
        elif hasattr(os, "sched_setaffinity"):
            lines.append(f"CPUs of an instance: {math.ceil(limits.cpus)}, by binding (no cgroups)")
        else:
            lines.append("CPUs of an instance: not limited, this system has no way")
        if limits.file_size is not None:
            how = "by rlimit" if sys.platform == "linux" else "not limited, this system has no way"
            lines.append(f"size of a file: {size(limits.file_size)}, {how}")
        return lines


class Confinement:
    """Of one instance. `hold` its first process, `work` and `rest` as it does, `release` when all are dead."""

    def __init__(self, limits: InstanceLimits, cgroup: Cgroup | None, turn: int = 0) -> None:
        self._limits, self._cgroup, self._turn = limits, cgroup, turn
        self._counted = cgroup is not None and cgroup.events is not None
        """The kernel limits its memory, and counts those that it kills for the lack of it."""
        self._members: Members | None = None
        self._working = 0
        self._timer: asyncio.TimerHandle | None = None
        self._kills = 0, 0
        """On the whole machine, at the last two looks."""
        self._over: int | None = None

    def hold(self, members: Members) -> None:
        """From now on. What its processes start is held too."""
        self._members = members
        self._kills = (_machine_kills(),) * 2
        # A forked instance has its worker already, and on a busy machine a started one may be faster than we are.
        held: set[int] = set()
        while new := {p.pid for p in processes.family(members.pid) if p.alive} - held:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):  # it ended at once
                    self._bind(pid)
            held |= new
        self.work()

    def work(self) -> None:
        """It has something to do (one thing more)."""
        self._working += 1
        if not self._counted and self._limits.memory is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WATCH, self._look)

    def rest(self) -> None:
        """One thing less."""
        self._working -= 1

    def shortage(self, status: int | None) -> Shortage | None:
        """Whether the death of one of its processes was for lack of memory. `status`: as `wait` tells it."""
        if self._over is not None:
            return Shortage(self._over)
        if self._cgroup is not None and self._cgroup.kills():
            return Shortage(self._cgroup.memory if self._cgroup.filled() else 0)
        if self._counted or status is None or not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            return None
        # That the kernel has just killed somebody is all there is to know. The look before the last: one may have come
        # between the kill and our hearing of it.
        return Shortage() if _machine_kills() > self._kills[0] else None

    def release(self) -> None:
        """Blocks for a moment at most."""
        if self._cgroup is not None:
            self._cgroup.remove()

    def unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _bind(self, pid: int) -> None:
        if sys.platform != "linux":
            return
        import resource

        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(OOM_SCORE))
        if self._cgroup is not None:
            try:
                self._cgroup.add(pid)
            except OSError as error:
                log.warning("process %d is in no cgroup: %s", pid, error, extra={"action": "cgroup_failed"})
                self._counted = False
        if self._limits.file_size is not None:
            most = self._limits.file_size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        if self._limits.cpus is not None and (self._cgroup is None or not self._cgroup.cpus):
            os.sched_setaffinity(pid, _turn(sorted(os.sched_getaffinity(0)), self._turn, math.ceil(self._limits.cpus)))

    def _look(self) -> None:
        self._timer = None
        members, most = self._members, self._limits.memory
        if members is None or most is None:
            return
        self._kills = self._kills[1], _machine_kills()
        pids = [process.pid for process in processes.family(members.pid)]
        if memory.resident(pids) > most:  # only then the dear look: shared pages count once
            taken = memory.look(pids, keep=True).now
            if taken > most:
                self._over = taken
                members.kill()
                return
        if self._working > 0:
            self._timer = asyncio.get_running_loop().call_later(WATCH, self._look)


def budget(wanted: int | None, total: Callable[[], int | None] = memory.total) -> int | None:
    """Bytes for all instances together: `wanted`, else what there is but for a reserve. None: nobody knows."""
    if wanted is not None:
        return wanted
    there = total()
    return None if there is None else there - max(min(there // 4, 10**9), there // 10)


def _turn(cpus: list[int], turn: int, number: int) -> set[int]:
    """The next CPUs in turn."""
    return {cpus[(turn * number + n) % len(cpus)] for n in range(number)}


def _machine_kills() -> int:
    """How many processes the kernel has killed because the machine had no more memory."""
    try:
        with open(_VMSTAT) as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0
