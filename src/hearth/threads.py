"""Blocking work off the event loop, without leaving it behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a worker thread; a cancelled caller still waits for its end.

    `asyncio.to_thread` returns at once when cancelled while the thread goes on, and the caller would then
    close or unlink a file that is being written to.
    """
    future = asyncio.get_running_loop().run_in_executor(None, lambda: function(*args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue  # asked again; the first request is raised below, once the thread is through
        if not future.cancelled():
            future.exception()  # marks it as seen: the cancellation is what the caller gets
        raise
