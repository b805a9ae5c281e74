"""Takes as much memory as it is told to, and touches it."""

import mmap
import os
import time

from cog import BaseRunner, Input

MB = 1024 * 1024


def take(megabytes: int) -> mmap.mmap:
    """Private pages, all of them touched: given back to the system when they are dropped."""
    taken = mmap.mmap(-1, max(megabytes, 1) * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, len(taken), mmap.PAGESIZE):
        taken[start] = 1
    return taken


class Predictor(BaseRunner):
    def setup(self) -> None:
        time.sleep(float(os.environ.get("SETUP_SECONDS", "0")))
        take(int(os.environ.get("SETUP_MB", "0"))).close()
        self.kept = take(int(os.environ.get("KEPT_MB", "0")))

    def run(
        self,
        megabytes: int = Input(default=0, description="Taken for this run."),
        seconds: float = Input(default=0, description="How long it is held."),
        step: int = Input(default=0, description="Megabytes at a time, with a pause after each; 0: all at once."),
    ) -> int:
        taken = [] if step else [take(megabytes)]
        for _ in range(megabytes // step if step else 0):
            taken.append(take(step))
            time.sleep(0.02)
        time.sleep(seconds)
        for each in taken:
            each.close()
        return os.getpid()
