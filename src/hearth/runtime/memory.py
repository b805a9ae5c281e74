"""How much memory a family of processes takes, and took at most.

Now: the sum of PSS (smaps_rollup), which counts a page that n processes share as 1/n of it: workers that were forked
from one interpreter share most of theirs, and the sum over all instances is what the machine has really given away.
RSS where PSS cannot be read.

At most: PSS plus how far each process has ever been above its present RSS. The kernel keeps that high-water mark
(VmHWM), so a spike of a millisecond counts though nobody looked; it is taken as private. The mark is set back at
each look (clear_refs), so that the next look tells of its own time; where that is not allowed, peaks last for life.
A cgroup's own peak is of no use for this: it counts the page cache of every file that was read.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NamedTuple

from hearth.runtime import processes
from hearth.runtime.cgroups import own_memory_limits

_LINUX = sys.platform == "linux"
_RESET_HWM = b"5"
_KB = 1024


class Taken(NamedTuple):
    """Bytes."""

    now: int
    peak: int
    """Since the last look."""


def look(pids: list[int], *, keep: bool = False) -> Taken:
    """At these processes. Blocks: reading PSS walks the page tables, some milliseconds for each GB. `keep`: the
    peaks, for the next look."""
    now = peak = 0
    for pid in pids:
        taken = _look(pid, keep)
        now, peak = now + taken.now, peak + taken.peak
    return Taken(now, peak)


def resident(pids: list[int]) -> int:
    """The sum of RSS: more than `look` finds, and cheap."""
    return sum(found.memory for pid in pids if (found := processes.find(pid)) is not None and found.alive)


def total() -> int | None:
    """Bytes that this machine has, or the cgroup that we run in, whichever is less; None where nobody knows."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    return min([machine, *own_memory_limits()])


def available() -> int | None:
    """Bytes that processes of this machine could have without swapping; None where the system doesn't say."""
    return _fields("/proc/meminfo", ("MemAvailable",)).get("MemAvailable")


def _look(pid: int, keep: bool) -> Taken:
    if not _LINUX:
        found = processes.find(pid)
        memory = 0 if found is None else found.memory
        return Taken(memory, memory)
    status = _fields(f"/proc/{pid}/status", ("VmRSS", "VmHWM"))
    if "VmRSS" not in status:  # it has ended
        return Taken(0, 0)
    if not keep:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "wb") as file:
            file.write(_RESET_HWM)
    rss = status["VmRSS"]
    pss = _fields(f"/proc/{pid}/smaps_rollup", ("Pss", "SwapPss"))
    now = pss["Pss"] + pss.get("SwapPss", 0) if "Pss" in pss else rss
    return Taken(now, now + max(status.get("VmHWM", rss) - rss, 0))


def _fields(path: str, names: tuple[str, ...]) -> dict[str, int]:
    """Bytes by name; nothing of a process that has ended or is not ours."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError), open(path, "rb") as file:
        for line in file:
            name, _, value = line.partition(b":")
            if (known := name.decode()) in names:
                found[known] = int(value.split()[0]) * _KB
    return found
