"""The private folder of one instance: a working copy of the source, a temporary folder, one for outputs.

Why a copy: coglet reads its schema below the working directory, which must be the source folder, and models
write beside their source (caches, edited configurations, SQLite files). The version's own folder is shared,
so nothing that can be written may lead into it:

1. Small files are copied.
2. Larger ones without write permission are hard links: the kernel refuses to write to them.
3. Root is not bound by permissions. As root, only files beyond ROOT_COPY are linked: a copy of such weights
   would cost seconds and disk at each start, and a model that overwrites them in place is a rare thing.
4. Everything else is cloned where the file system shares blocks between copies (btrfs, XFS), else copied.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from hearth.runtime.shortcuts import Shortcuts

SMALL = 1024 * 1024
"""Bytes. Copying this much takes about as long as asking for a clone."""
ROOT_COPY = 256 * 1024 * 1024
_FICLONE = 0x40049409
"""linux/fs.h: share the blocks of another file."""


class Home:
    """`make` creates it; `remove` deletes it, whatever the model did to it."""

    def __init__(self, path: Path, shortcuts: Shortcuts | None = None) -> None:
        """`shortcuts` give the temporary folder a short name."""
        self.path, self._shortcuts = path, shortcuts
        self.source = path / "src"
        self.tmp = self._tmp = path / "tmp"
        self.out = path / "out"
        self.shim = path / "bin"
        """First on PATH of an instance that is forked, while it boots."""
        self.imports = path / "imports.json"
        self.ready = path / "ready"

    async def furnish(self, source: Path, finish: Callable[[], None] = lambda: None) -> None:
        """`make`, then `finish`, in a thread and to their end: a cancel can't stop the thread, so it waits."""

        def work() -> None:
            self.make(source)
            finish()

        working = asyncio.create_task(asyncio.to_thread(work), name="hearth-furnish")
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait([working])
            raise

    def make(self, source: Path) -> None:
        """Raises FileExistsError for an id that is in use, FileNotFoundError when the source is gone."""
        self.path.mkdir(mode=0o700, parents=True)
        self._tmp.mkdir()
        self.out.mkdir()
        if self._shortcuts is not None:
            self.tmp = self._shortcuts.make(self._tmp)
        _copy_tree(source, self.source)

    def remove(self) -> None:
        """Raises OSError only if something in it resists even its owner."""

        def permit(_function: object, path: str, error: BaseException) -> None:
            if isinstance(error, FileNotFoundError):
                return
            os.chmod(os.path.dirname(path), 0o700)
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, 0o700)
                shutil.rmtree(path)
            else:
                os.unlink(path)

        if self.tmp != self._tmp:
            self.tmp.unlink(missing_ok=True)
        if sys.version_info >= (3, 12):
            shutil.rmtree(self.path, onexc=permit)
        else:
            shutil.rmtree(self.path, onerror=lambda function, path, info: permit(function, path, info[1]))


def _copy_tree(source: Path, target: Path) -> None:
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            to = target / entry.name
            if entry.is_symlink():
                continue  # a pushed source has none, and one could lead out of it
            if entry.is_dir():
                _copy_tree(Path(entry.path), to)
            else:
                _copy_file(entry.path, to, entry.stat())


def _copy_file(source: str, target: Path, status: os.stat_result) -> None:
    if status.st_size > SMALL:
        readonly = not status.st_mode & 0o222
        if readonly and (os.geteuid() != 0 or status.st_size > ROOT_COPY) and _link(source, target):
            return
        if not _clone(source, target):
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.chmod(target, stat.S_IMODE(status.st_mode) | stat.S_IWUSR | stat.S_IRUSR)


def _link(source: str, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        return False
    return True


def _clone(source: str, target: Path) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    with open(source, "rb") as original, open(target, "wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError:  # another file system, or one that can't share blocks
            return False
    return True
