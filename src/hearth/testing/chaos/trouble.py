"""Things that go wrong, each by one call."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from hearth.runtime import processes
from hearth.testing.live import LiveServer


class SmallDisk:
    """A file system of `size` bytes at `folder`, which can be filled. `possible` where we may mount one."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.possible = sys.platform == "linux" and self._mount(size)

    def _mount(self, size: int) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "hearth-chaos", str(self.folder)]
        try:
            return subprocess.run(command, capture_output=True).returncode == 0
        except FileNotFoundError:
            return False

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(1 << 20))
                except OSError as error:
                    if error.errno == errno.ENOSPC:
                        break
                    raise

    def empty(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        if self.possible:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Trouble:
    """`often` says what can be made, and how often each of it is chosen."""

    def __init__(
        self, server: LiveServer, http: httpx.Client, disk: SmallDisk, sick: Path, choose: random.Random
    ) -> None:
        self.made: Counter[str] = Counter()
        self._server, self._http, self._disk, self._sick, self._choose = server, http, disk, sick, choose
        self.often: dict[Callable[[], bool], int] = {
            self.kill_worker: 5, self.kill_instance: 4, self.kill_server: 2, self.restart_server: 1, self.sicken: 2,
        }  # fmt: skip
        if disk.possible:
            self.often[self.fill_disk] = 1

    def make(self) -> None:
        """One thing at random."""
        (action,) = self._choose.choices(list(self.often), list(self.often.values()))
        if action():
            self.made[action.__name__] += 1

    def spare_server(self) -> None:
        """From now on nothing that restarts the server."""
        for action in (self.kill_server, self.restart_server):
            self.often.pop(action, None)

    def heal(self) -> None:
        """Nothing is wrong any more."""
        self._disk.empty()
        self._sick.unlink(missing_ok=True)
        if not self._server.running:
            self._server.start()

    def kill_instance(self) -> bool:
        """coglet itself dies."""
        found = self._instances()
        return bool(found) and _kill(self._choose.choice(found)["pid"])

    def kill_worker(self) -> bool:
        """The process that runs the model dies."""
        found = self._instances()
        if not found:
            return False
        children = processes.descendants(processes.table(), self._choose.choice(found)["pid"])
        return bool(children) and _kill(self._choose.choice(sorted(children)))

    def kill_server(self) -> bool:
        self._server.kill()
        self._server.start()
        return True

    def restart_server(self) -> bool:
        """A polite end, and a new start."""
        self._server.stop()
        self._server.start()
        return True

    def fill_disk(self) -> bool:
        """The data folder's disk is full for a moment."""
        self._disk.fill()
        time.sleep(self._choose.uniform(0.3, 1.0))
        self._disk.empty()
        return True

    def sicken(self) -> bool:
        """Setup of one model fails for a while, and its instances are gone."""
        self._sick.touch()
        for instance in self._instances():
            if instance["model"].endswith("/moody"):
                _kill(instance["pid"])
        time.sleep(self._choose.uniform(0.5, 1.5))
        self._sick.unlink(missing_ok=True)
        return True

    def _instances(self) -> list[Any]:
        try:
            answer = self._http.get("admin/instances")
        except httpx.TransportError:
            return []
        return [i for i in answer.json()["results"] if i["pid"]] if answer.is_success else []


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
