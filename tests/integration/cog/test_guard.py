"""When the platform dies, its models die: also those that are busy."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from hearth.errors import InstanceLost

SOURCE = """
    import os, subprocess, time
    class Predictor:
        def setup(self):
            self.child = subprocess.Popen(["sleep", "1000"])
        def run(self) -> str:
            print(os.getpid(), self.child.pid, flush=True)
            while True:
                time.sleep(0.01)
"""


async def test_the_end_of_the_pipe_kills_the_whole_group(start: Any) -> None:
    reading, writing = os.pipe()
    try:
        async with start(SOURCE, alive_fd=reading) as running:
            pids: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

            def see(event: object) -> None:
                if text := getattr(event, "text", ""):
                    pids.set_result([int(part) for part in text.split()])

            task = asyncio.create_task(running.predict(on_event=see))
            found = await pids
            os.close(writing)
            writing = -1
            with pytest.raises(InstanceLost):
                await task
            assert await running.process.wait() == -9
            for pid in found:
                await gone(pid)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


async def gone(pid: int) -> None:
    """Returns when no such process runs. Orphans are reaped by whoever adopts them: zombies count as gone."""
    async with asyncio.timeout(60):
        while runs(pid):  # noqa: ASYNC110 - another process's end has no event here
            await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"
