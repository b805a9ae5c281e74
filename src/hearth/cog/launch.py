"""Starts coglet's server in the model's environment, without importing the SDK: half the start, 20 MB less.

`python launch.py`, with the variables that `instance.environment` composes. The server needs `cog` only to
report its version; the worker, a process of its own, imports the real one (cog-runtime.md 2).
"""

import os
import signal
import sys
import threading
import types


def guard(fd):
    """Ends this process group when the platform, which holds the other end of the pipe, is gone."""
    while os.read(fd, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main():
    sys.path.pop(0)  # this folder: its module names are not the model's business
    if os.environ.get("HEARTH_ALIVE_FD"):
        fd = int(os.environ["HEARTH_ALIVE_FD"])
        threading.Thread(target=guard, args=(fd,), name="hearth-guard", daemon=True).start()
    cog = types.ModuleType("cog")
    cog.__version__ = os.environ.get("HEARTH_COG_VERSION", "")
    sys.modules["cog"] = cog
    import coglet

    coglet.server.serve(
        predictor_ref=os.environ["COG_PREDICT_TYPE_STUB"],
        host=os.environ.get("HEARTH_HOST", "127.0.0.1"),
        port=int(os.environ["PORT"]),
    )


if __name__ == "__main__":
    main()
