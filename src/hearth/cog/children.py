"""Runs inside the model's process: makes what children printed part of the prediction that waited for them, and keeps
them from reading what is not theirs.

coglet passes on what goes to the descriptors 1 and 2 by another way than the results, and later. So a call
that waited for a child writes a mark behind the child's last line and says so in a metric; the platform ends
the prediction when it has read as many marks. A call without children pays one system call before and one
after. Standard library only, Python 3.10 to 3.13; loaded by its path from `wrapper.py`.
"""

from __future__ import annotations

import fcntl
import functools
import os
import resource
import stat
import subprocess
import termios
import time
from typing import Any

METRIC = "hearth_printed"
MARK = "hearth-printed:"
PATIENCE = 0.1
"""Seconds for coglet to empty its pipe; another child may keep it full for ever."""
_PAUSE = 0.0005

_captured: list[int] = []


def capture() -> None:
    """Remembers coglet's pipes: a model may point 1 and 2 elsewhere. Several predictions at a time share them,
    and what is in there is nobody's."""
    if os.environ.get("COG_MAX_CONCURRENCY", "1") == "1":
        _captured.extend(os.dup(fd) for fd in (1, 2) if stat.S_ISFIFO(os.fstat(fd).st_mode))


def close_input() -> None:
    """A child whose input is not said has none. Descriptor 0, which it would inherit, is coglet's: it would wait for
    the requests there, and take them."""
    start = subprocess.Popen.__init__

    @functools.wraps(start)
    def init(
        self: Any, args: Any, bufsize: int = -1, executable: Any = None, stdin: Any = None, *a: Any, **k: Any
    ) -> None:
        start(self, args, bufsize, executable, subprocess.DEVNULL if stdin is None else stdin, *a, **k)

    subprocess.Popen.__init__ = init  # type: ignore[method-assign]


def waited_for() -> int:
    """A number that grows with each child that was waited for: every one of them has touched some memory."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt


def mark(scope: Any, id: str) -> None:
    """Call it when nothing of the prediction's own is left to be printed."""
    line = f"{MARK}{id}\n".encode()
    marks = 0
    for fd in _captured:
        # In an empty pipe the mark stands alone, and whole, in what coglet reads at once.
        if _empty(fd):
            os.write(fd, line)
            marks += 1
    if marks:
        scope.record_metric(METRIC, marks)


def _empty(fd: int) -> bool:
    until = time.monotonic() + PATIENCE
    while int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), "little"):
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True
