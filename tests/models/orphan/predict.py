"""Leaves children behind: one in its own session, one that ignores SIGTERM. Says their numbers."""

import subprocess

from cog import BaseRunner


class Predictor(BaseRunner):
    def run(self) -> list[int]:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        stubborn = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 600"], **quiet)
        detached = subprocess.Popen(["sleep", "600"], start_new_session=True, **quiet)
        return [stubborn.pid, detached.pid]
