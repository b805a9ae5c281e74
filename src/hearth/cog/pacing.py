"""Runs inside the model's process: keeps bursts of lines and items from outrunning coglet.

coglet holds 1024 events of a prediction for its reader. A model that prints 10,000 lines at once fills that before
coglet's own sender has had a turn of the processor; coglet then cuts the stream and cancels the prediction. So
whoever emits STEP events in less than PERIOD waits for the rest of it. Standard library only, Python 3.10 to
3.13; loaded by its path from `wrapper.py`.
"""

from __future__ import annotations

import sys
import time
from typing import Any

STEP = 128
PERIOD = 0.008
"""Seconds; 16,000 events a second, of the 110,000 that coglet passes on when it has a processor to itself."""

_count = 0
_began = 0.0


def excess() -> float:
    """Counts one event; the seconds to wait before the next one, nearly always 0."""
    global _count, _began
    _count += 1
    if _count % STEP:
        return 0.0
    now = time.monotonic()
    wait = max(0.0, _began + PERIOD - now)
    _began = now + wait
    return wait


class Stream:
    """`sys.stdout` or `sys.stderr`, of which each line is an event."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> Any:
        written = self._stream.write(text)
        if "\n" in text and (wait := excess()):
            time.sleep(wait)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Before the model is imported: logging handlers keep the stream that they find."""
    sys.stdout, sys.stderr = Stream(sys.stdout), Stream(sys.stderr)
