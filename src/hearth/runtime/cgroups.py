"""Control groups, version 2 and 1: one for each instance, below our own, where we may make them.

Version 2 allows no processes beside groups with limits. A server that was given a subtree to itself (systemd's
`Delegate=yes`, most containers) moves itself into a leaf of it first; one that shares its group with others leaves
everything as it is.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc/self")
_PERIOD = 100_000
"""Microseconds in which an instance may use its share of the CPUs."""
_NO_LIMIT = 1 << 60
"""Bytes: version 1 says 2^63 less a page for no limit."""
_COUNTERS = {1: ("memory.oom_control", "memory.max_usage_in_bytes"), 2: ("memory.events", "memory.peak")}
"""Files, by version: the kills for lack of memory, and the most that was taken."""
_PREFIX = "hearth-"
_FILLED = 0.9
"""Of a limit: a kill comes before the last page is taken."""
_PATIENCE = 1.0
"""Seconds that a group may stay busy after its last process is dead."""


class Mount(NamedTuple):
    version: int
    controllers: frozenset[str]
    own: Path
    """The group that we are in."""
    top: Path
    """Where the hierarchy, or what we see of it, begins."""


def mounts(root: Path = ROOT, proc: Path = PROC) -> list[Mount]:
    """The hierarchies that are mounted below `root`, and where in them we are."""
    try:
        inside = _inside(proc / "cgroup")
        lines = (proc / "mountinfo").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not kind or kind[0] not in ("cgroup", "cgroup2") or not Path(fields[4]).is_relative_to(root):
            continue
        top, begins = Path(fields[4]), fields[3]
        if kind[0] == "cgroup2":
            version, names = 2, frozenset(_read(top / "cgroup.controllers").split())
            path = inside.get("", "/")
        else:
            version, names = 1, frozenset(kind[2].split(",")) - {"rw", "ro", "xattr"}
            path = next((p for key, p in inside.items() if key and names & set(key.split(","))), "/")
        # In a container the mount begins at our own group, and paths are told from the host's root.
        inner = path.removeprefix(begins.rstrip("/")) if begins != "/" else path
        own = top / inner.lstrip("/")
        if version == 2 and own.exists():
            names = frozenset(_read(own / "cgroup.controllers").split())
        found.append(Mount(version, names, own if own.exists() else top, top))
    return found


def own_memory_limits(root: Path = ROOT, proc: Path = PROC) -> list[int]:
    """Bytes that our own group, and each above it, may take."""
    found = []
    for mount in mounts(root, proc):
        if mount.version == 1 and "memory" not in mount.controllers:
            continue
        name = "memory.max" if mount.version == 2 else "memory.limit_in_bytes"
        for folder in [mount.own, *mount.own.parents]:
            text = _read(folder / name).strip()
            if text.isdigit() and int(text) < _NO_LIMIT:
                found.append(int(text))
            if folder == mount.top:
                break
    return found


class Cgroups:
    """Makes groups below our own. `server` tells ours from those of other servers on this machine."""

    def __init__(self, memory: Mount | None, cpu: Mount | None, server: str) -> None:
        self._memory, self._cpu = memory, cpu
        self._server = f"{_PREFIX}{server}"

    @property
    def limits_memory(self) -> bool:
        return self._memory is not None

    @property
    def limits_cpu(self) -> bool:
        return self._cpu is not None

    @property
    def version(self) -> int:
        return next(m.version for m in (self._memory, self._cpu) if m is not None)

    @classmethod
    def find(cls, server: str, *, root: Path = ROOT, proc: Path = PROC, take: bool = True) -> Cgroups | None:
        """None where no group can be made. `take`: prepare the subtree; else only find out whether it could be."""
        known = mounts(root, proc)
        memory = cpu = None
        for mount in sorted(known, key=lambda m: -m.version):
            usable = _usable_2(mount, take) if mount.version == 2 else _usable_1(mount)
            if usable and memory is None and "memory" in mount.controllers:
                memory = mount
            if usable and cpu is None and "cpu" in mount.controllers:
                cpu = mount
        return cls(memory, cpu, server) if memory or cpu else None

    def make(self, id: str, *, memory: int | None, cpus: float | None) -> Cgroup:
        """A group for one instance. Raises OSError."""
        made = Cgroup([], None, 0)
        try:
            if self._memory is not None and memory is not None:
                made = self._with_memory(self._memory, id, memory)
            if self._cpu is not None and cpus is not None:
                folder = self._folder(self._cpu, id)
                folder.mkdir(parents=True, exist_ok=True)
                if folder not in made.folders:
                    made = made._replace(folders=[*made.folders, folder])
                made = made._replace(cpus=True)
                quota = max(int(cpus * _PERIOD), 1000)
                if self._cpu.version == 2:
                    _write(folder / "cpu.max", f"{quota} {_PERIOD}")
                else:
                    _write(folder / "cpu.cfs_period_us", str(_PERIOD))
                    _write(folder / "cpu.cfs_quota_us", str(quota))
        except OSError:
            made.remove()
            raise
        return made

    def sweep(self) -> None:
        """Remove the groups that an earlier run of this server left, maybe from another place in the tree; those with
        processes stay."""
        for top in {m.top for m in (self._memory, self._cpu) if m is not None}:
            for above, names, _ in os.walk(top):  # which passes over what others remove meanwhile
                for name in names:
                    if name.startswith(f"{self._server}-"):
                        with contextlib.suppress(OSError):
                            os.rmdir(os.path.join(above, name))

    def _with_memory(self, mount: Mount, id: str, memory: int) -> Cgroup:
        folder = self._folder(mount, id)
        folder.mkdir(parents=True, exist_ok=True)
        if mount.version == 2:
            _write(folder / "memory.max", str(memory))
            with contextlib.suppress(OSError):  # no swap on this machine
                _write(folder / "memory.swap.max", "0")
            with contextlib.suppress(OSError):  # not all of it would die
                _write(folder / "memory.oom.group", "1")
        else:
            _write(folder / "memory.limit_in_bytes", str(memory))
            with contextlib.suppress(OSError):  # swap is not accounted
                _write(folder / "memory.memsw.limit_in_bytes", str(memory))
        events, peak = _COUNTERS[mount.version]
        return Cgroup([folder], folder / events, memory, peak=folder / peak)

    def _folder(self, mount: Mount, id: str) -> Path:
        return mount.own / f"{self._server}-{id}"


class Cgroup(NamedTuple):
    """The group of one instance: one folder for each hierarchy."""

    folders: list[Path]
    events: Path | None
    """The file that counts kills for lack of memory: its own or, as of Linux 4.13, the machine's."""
    memory: int
    """Bytes that it may take."""
    cpus: bool = False
    """Its share of the CPUs is limited."""
    peak: Path | None = None
    """The file with the most that it took."""

    def add(self, pid: int) -> None:
        """A process, and all children that it has from now on. Raises OSError."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", str(pid))

    def kills(self) -> int:
        """How many of its processes were killed because there was no more memory."""
        if self.events is None:
            return 0
        for line in _read(self.events).splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
        return 0

    def filled(self) -> bool:
        """It took about all that it may: what ran out was its memory, not the machine's. Kernels before 5.19 may not
        tell; then it is taken for granted."""
        peak = "" if self.peak is None else _read(self.peak).strip()
        return not peak.isdigit() or int(peak) > self.memory * _FILLED

    def remove(self) -> None:
        """Once all its processes have ended. Blocks for a moment at most."""
        until = time.monotonic() + _PATIENCE
        for folder in self.folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > until:
                        break
                    time.sleep(0.005)


def _usable_1(mount: Mount) -> bool:
    return _makes(mount.own)


def _usable_2(mount: Mount, take: bool) -> bool:
    wanted = {"memory", "cpu"} & mount.controllers
    if not wanted or not os.access(mount.own / "cgroup.procs", os.W_OK):
        return False
    enabled = set(_read(mount.own / "cgroup.subtree_control").split())
    if wanted <= enabled:
        return _makes(mount.own)
    ours = _alone(mount.own)
    if not take or not ours:
        return ours
    try:
        leaf = mount.own / f"{_PREFIX}server"
        leaf.mkdir(exist_ok=True)
        for pid in _read(mount.own / "cgroup.procs").split():
            _write(leaf / "cgroup.procs", pid)
        _write(mount.own / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(wanted)))
    except OSError:
        return False
    return _makes(mount.own)


def _alone(own: Path) -> bool:
    """Whether nobody else's processes are in our group: then it was made for us."""
    pids = {int(pid) for pid in _read(own / "cgroup.procs").split()}
    return pids <= {os.getpid(), os.getppid()} or pids == {0}


def _makes(own: Path) -> bool:
    """Whether we may make groups here: found out by making one."""
    probe = own / f"{_PREFIX}probe-{os.getpid()}"
    try:
        probe.mkdir()
    except OSError:
        return False
    with contextlib.suppress(OSError):
        probe.rmdir()
    return True


def _inside(file: Path) -> dict[str, str]:
    """Our path by the controllers of a hierarchy; the key of version 2 is empty."""
    found = {}
    for line in file.read_text().splitlines():
        _, names, path = line.split(":", 2)
        found[names] = path
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
