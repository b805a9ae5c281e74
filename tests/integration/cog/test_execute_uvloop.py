"""`execute` on the loop that the server runs on: uvloop refuses to write to a child that is gone already."""

from __future__ import annotations

import asyncio
from pathlib import Path

import uvloop

from hearth.cog.process import execute


def test_a_child_that_ends_without_reading_is_no_error() -> None:
    async def scenario() -> None:
        for _ in range(30):
            for input in ("", "unread\n" * 100_000):
                code, _ = await execute(["true"], env={"PATH": "/usr/bin:/bin"}, cwd=Path("/"), input=input)
                assert code == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
