"""Steps on local files that leave a whole file or none. They block: call them in a worker thread."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from hearth.blobs.digest import BLOCK, Digest
from hearth.errors import Unavailable

_CANNOT_LINK = frozenset((errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP))
"""Another file system; somebody else's file (fs.protected_hardlinks); a file system without links."""
_CANNOT_SHARE = frozenset((errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM))


@contextlib.contextmanager
def room() -> Iterator[None]:
    """Raises Unavailable where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Unavailable(
            "The disk that holds the files is full.", hint="Free space, or shorten `retention`."
        ) from error


def create(path: Path) -> FileIO:
    """A new file, unbuffered: a write that returned has been written."""
    return FileIO(path, "x")


def append(file: FileIO, data: bytes, digest: Digest | None = None) -> None:
    with room():
        if digest is not None:
            digest.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]


def publish(file: FileIO, staged: Path, target: Path) -> None:
    """Bytes first, then the name, then the folder that holds the name: a power cut leaves all or nothing."""
    with room():
        os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link to `source` where the file system and its owner allow one."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        with source.open("rb", buffering=0) as reader:
            copy(reader, target)


def copy(reader: FileIO, target: Path) -> None:
    """A private copy. copy_file_range shares blocks where the file system has copy-on-write (btrfs, XFS)."""
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with room(), FileIO(part, "x") as writer:
            try:
                while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 30):
                    pass
            except OSError as error:
                if error.errno not in _CANNOT_SHARE:
                    raise
                reader.seek(0)
                writer.seek(0)
                writer.truncate()
                shutil.copyfileobj(reader, writer, BLOCK)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All below `folder`, one folder after the other; without those whose names begin with a dot."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
                yield Path(place, name), os.stat(os.path.join(place, name))


def sweep(folder: Path, older_than: float) -> None:
    """Remove the files in `folder` that nobody has written or linked for `older_than` seconds."""
    limit = time.time() - older_than
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_ctime < limit:
                    os.unlink(entry)
