"""Runs inside the model's process: tells how far a boot is, and what its imports brought if they took long.

A phase is told by a line on standard error, which coglet passes on before the model is ready. Standard library only,
Python 3.10 to 3.13; loaded by its path from `wrapper.py`.

Environment:
  HEARTH_IMPORTS        file that takes the names of the modules that are imported when setup() has ended, as JSON
  HEARTH_IMPORTS_OVER   seconds of processor time below which nothing is written
  HEARTH_READY          file that is made when setup() has ended
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

MARK = "hearth-phase:"

_began = 0.0
_seconds = 0.0


def importing() -> None:
    """The model's code is imported from now on."""
    global _began
    _began = time.process_time()  # not of the clock: a busy machine or a cold disk makes every import long
    _tell("import")


def imported() -> None:
    """setup() runs from now on."""
    global _seconds
    _seconds = time.process_time() - _began
    _tell("setup")


def ready() -> None:
    """setup() has ended. Libraries that import parts of themselves late have done so by now."""
    if done := os.environ.get("HEARTH_READY"):
        with contextlib.suppress(OSError), open(done, "w"):
            pass
    path = os.environ.get("HEARTH_IMPORTS")
    if not path or _seconds < float(os.environ.get("HEARTH_IMPORTS_OVER", "inf")):
        return
    with contextlib.suppress(OSError):  # a full disk is no reason to fail
        with open(f"{path}.new", "w") as file:
            json.dump({"seconds": _seconds, "modules": _libraries()}, file)
        os.replace(f"{path}.new", path)


def _tell(phase: str) -> None:
    print(f"{MARK}{phase}", file=sys.stderr, flush=True)


def _libraries() -> list[str]:
    """What is imported from the environment or its Python, in the order in which that began; not the model's own."""
    places = (sys.prefix + os.sep, sys.base_prefix + os.sep)
    found = []
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None or name.startswith(("hearth_", "__m")):
            continue
        where = spec.origin
        if where is None and spec.submodule_search_locations:
            where = next(iter(spec.submodule_search_locations), None)
        if where in ("built-in", "frozen") or (where or "").startswith(places):
            found.append(name)
    return found
