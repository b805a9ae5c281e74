"""`execute` on the loop that the server runs on: uvloop refuses to write to a child that is gone already."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hearth.cog.process import execute


@pytest.mark.parametrize("input", ["", "unread"])
def test_a_child_that_ends_without_reading_is_no_error(monkeypatch: pytest.MonkeyPatch, input: str) -> None:
    start = asyncio.create_subprocess_exec

    async def start_and_lose(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*arguments, **options)
        await process.wait()
        if process.stdin is not None:
            for _ in range(10):  # turns of the loop, in which it notices
                await asyncio.sleep(0)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_and_lose)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ended = runner.run(execute(["true"], env={"PATH": "/usr/bin:/bin"}, cwd=Path("/"), input=input))
    assert ended == (0, "")
