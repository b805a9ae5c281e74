"""Control groups in trees of plain files, as each kind of machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hearth.runtime.cgroups import Cgroups, mounts, own_memory_limits


class Tree:
    """A /sys/fs/cgroup and a /proc/self."""

    def __init__(self, folder: Path) -> None:
        self.root, self.proc = folder / "cgroup", folder / "proc"
        self.root.mkdir()
        self.proc.mkdir()
        self._mounts: list[str] = []
        self._inside: list[str] = []

    def second(self, own: str, controllers: str, pids: str, enabled: str = "") -> Path:
        folder = self.root / own.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        self.root.joinpath("cgroup.controllers").write_text(controllers)
        folder.joinpath("cgroup.controllers").write_text(controllers)
        folder.joinpath("cgroup.procs").write_text(pids)
        folder.joinpath("cgroup.subtree_control").write_text(enabled)
        self._mounts.append(f"30 20 0:25 / {self.root} rw,nosuid - cgroup2 cgroup2 rw")
        self._inside.append(f"0::{own}")
        return folder

    def first(self, controller: str, own: str, begins: str = "/") -> Path:
        top = self.root / controller
        folder = top / own.removeprefix(begins if begins != "/" else "").lstrip("/")
        folder.mkdir(parents=True)
        self._mounts.append(f"31 20 0:26 {begins} {top} rw - cgroup cgroup rw,{controller}")
        self._inside.append(f"{len(self._inside) + 2}:{controller}:{own}")
        return folder

    def find(self, take: bool = True) -> Cgroups | None:
        self.write()
        return Cgroups.find("s1", root=self.root, proc=self.proc, take=take)

    def write(self) -> None:
        self.proc.joinpath("mountinfo").write_text("\n".join(self._mounts) + "\n")
        self.proc.joinpath("cgroup").write_text("\n".join(self._inside) + "\n")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_delegated_subtree_is_taken(tree: Tree) -> None:
    own = tree.second("/user.slice/hearth.scope", "cpu memory pids", str(os.getpid()))
    found = tree.find()
    assert found is not None
    assert (found.version, found.limits_memory, found.limits_cpu) == (2, True, True)
    # We moved to a leaf: groups with limits and processes do not go together.
    assert own.joinpath("hearth-server", "cgroup.procs").read_text() == str(os.getpid())
    assert own.joinpath("cgroup.subtree_control").read_text() == "+cpu +memory"
    group = found.make("i1", memory=10**9, cpus=1.5)
    folder = own / "hearth-s1-i1"
    assert folder.joinpath("memory.max").read_text() == "1000000000"
    assert folder.joinpath("memory.oom.group").read_text() == "1"
    assert folder.joinpath("cpu.max").read_text() == "150000 100000"
    group.add(4242)
    assert folder.joinpath("cgroup.procs").read_text() == "4242"
    assert group.kills() == 0
    folder.joinpath("memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert group.kills() == 2


def test_looking_changes_nothing(tree: Tree) -> None:
    own = tree.second("/user.slice/hearth.scope", "cpu memory", str(os.getpid()))
    assert tree.find(take=False) is not None
    assert not own.joinpath("hearth-server").exists()
    assert own.joinpath("cgroup.subtree_control").read_text() == ""


def test_a_group_that_is_shared_with_others_is_left_as_it_is(tree: Tree) -> None:
    own = tree.second("/user.slice/session.scope", "cpu memory", f"1\n{os.getpid()}")
    assert tree.find() is None
    assert not own.joinpath("hearth-server").exists()


def test_without_the_controllers_there_is_nothing(tree: Tree) -> None:
    tree.second("/", "hugetlb", str(os.getpid()))
    assert tree.find() is None


def test_version_1_does_where_version_2_has_no_controllers(tree: Tree) -> None:
    tree.second("/", "hugetlb", str(os.getpid()))
    memory = tree.first("memory", "/box")
    cpu = tree.first("cpu", "/")
    found = tree.find()
    assert found is not None
    assert found.version == 1
    group = found.make("i1", memory=10**9, cpus=0.5)
    assert memory.joinpath("hearth-s1-i1", "memory.limit_in_bytes").read_text() == "1000000000"
    assert cpu.joinpath("hearth-s1-i1", "cpu.cfs_quota_us").read_text() == "50000"
    assert len(group.folders) == 2
    memory.joinpath("hearth-s1-i1", "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert group.kills() == 1


def test_in_a_container_paths_are_told_from_the_hosts_root(tree: Tree) -> None:
    memory = tree.first("memory", "/docker/abc", begins="/docker/abc")
    tree.write()
    (mount,) = mounts(tree.root, tree.proc)
    assert mount.own == memory == mount.top


def test_the_tightest_limit_above_us_counts(tree: Tree) -> None:
    own = tree.second("/a/b", "memory", str(os.getpid()))
    own.joinpath("memory.max").write_text("max\n")
    own.parent.joinpath("memory.max").write_text("4000000000\n")
    memory = tree.first("memory", "/c")
    memory.joinpath("memory.limit_in_bytes").write_text("9223372036854771712\n")
    tree.write()
    assert own_memory_limits(tree.root, tree.proc) == [4_000_000_000]


def test_what_an_earlier_run_left_is_removed(tree: Tree) -> None:
    memory = tree.first("memory", "/")
    found = tree.find()
    assert found is not None
    for name in ("hearth-s1-old", "hearth-s2-other", "session/hearth-s1-older"):
        memory.joinpath(name).mkdir(parents=True)
    found.sweep()
    assert [folder.name for folder in memory.rglob("hearth-*")] == ["hearth-s2-other"]


def test_no_tree_at_all(tmp_path: Path) -> None:
    assert Cgroups.find("s1", root=tmp_path, proc=tmp_path) is None


def test_a_tree_that_others_change_meanwhile_is_swept_all_the_same(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tree.first("memory", "/")
    found = tree.find()
    assert found is not None
    for name in ("box/hearth-s2-ended", "other/hearth-s1-old"):
        memory.joinpath(name).mkdir(parents=True)
    scan = os.scandir

    def vanishing(path: str | Path) -> object:
        if Path(path).name == "hearth-s2-ended":
            raise FileNotFoundError(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    found.sweep()
    assert not memory.joinpath("other/hearth-s1-old").exists()


def test_whether_its_own_memory_ran_out_or_the_machines(tree: Tree) -> None:
    tree.second("/own", "memory", str(os.getpid()))
    found = tree.find()
    assert found is not None
    group = found.make("i1", memory=10**9, cpus=None)
    assert group.filled(), "an old kernel does not tell"
    assert group.peak is not None
    group.peak.write_text("300000000\n")
    assert not group.filled()
    group.peak.write_text("999995904\n")
    assert group.filled()
