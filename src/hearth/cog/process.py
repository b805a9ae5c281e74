"""A child process with its own process group, whose lines are passed on as they come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_READ = 64 * 1024


async def execute(
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Callable[[str], None] | None = None,
    input: str = "",
    capture: bool = False,
    timeout: float | None = None,
) -> tuple[int, str]:
    """Runs to the end; (exit code, text). Cancelling kills the whole process group.

    With `capture` the text is standard output, and only standard error goes to `log`; without, it is
    everything and all of it goes to `log`. Raises OSError when it can't be started, TimeoutError after
    `timeout` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE if input else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if capture else asyncio.subprocess.STDOUT,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(timeout):
            if process.stdin is not None:
                # It may end without reading; uvloop raises RuntimeError once it has noticed.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
                    process.stdin.write(input.encode())
                    await process.stdin.drain()
                process.stdin.close()
            if process.stderr is None:
                text = await _lines(process.stdout, log)
            else:
                text, _ = await asyncio.gather(_lines(process.stdout, None), _lines(process.stderr, log))
            return await process.wait(), text
    except BaseException:
        # Its children may outlive it and hold the pipes: the whole group ends.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise


async def _lines(stream: asyncio.StreamReader, log: Callable[[str], None] | None) -> str:
    parts: list[str] = []
    pending = b""
    while data := await stream.read(_READ):
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r").rsplit("\r", 1)[-1]
            parts.append(text + "\n")
            if log is not None:
                log(text)
    if pending:
        text = pending.decode(errors="replace")
        parts.append(text)
        if log is not None:
            log(text)
    return "".join(parts)


def tail(text: str, lines: int) -> str:
    """The last lines of what a program printed: where it says why it failed."""
    return "\n".join(text.strip().splitlines()[-lines:])
