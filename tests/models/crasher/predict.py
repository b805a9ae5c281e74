"""Ends its own process, now or when nobody is looking."""

import ctypes
import os
import signal
import threading

from cog import BaseRunner, Input


def die(how: str) -> None:
    if how == "exit":
        os._exit(3)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "abort":
        os.abort()


class Predictor(BaseRunner):
    def run(
        self,
        how: str = Input(default="none", choices=["none", "exit", "segfault", "kill", "abort"]),
        later: float = Input(description="Answer first, die this many seconds later.", default=0, ge=0),
    ) -> int:
        print(f"{how} of {os.getpid()}", flush=True)
        if later:
            timer = threading.Timer(later, die, [how])
            timer.daemon = True
            timer.start()
        else:
            die(how)
        return os.getpid()
