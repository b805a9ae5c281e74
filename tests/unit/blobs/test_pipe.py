from __future__ import annotations

import asyncio

import pytest

from hearth.blobs.pipe import Aborted, Pipe


async def drain(pipe: Pipe, seen: list[bytes]) -> None:
    async for block in pipe:
        seen.append(block)


async def test_blocks_arrive_in_order_and_none_ends_them() -> None:
    pipe, seen = Pipe(), list[bytes]()
    reader = asyncio.create_task(drain(pipe, seen))
    for i in range(10):
        await pipe.push(bytes([i]), reader)
    await pipe.push(None, reader)
    await reader
    assert seen == [bytes([i]) for i in range(10)]


async def test_a_push_waits_while_the_reader_is_busy() -> None:
    pipe, go = Pipe(), asyncio.Event()

    async def busy() -> None:
        await go.wait()
        await anext(pipe)

    reader = asyncio.create_task(busy())
    await pipe.push(b"1", reader)
    second = asyncio.create_task(pipe.push(b"2", reader))
    await asyncio.sleep(0)
    assert not second.done()
    go.set()
    await second


async def test_a_push_to_a_reader_that_fails_raises_its_error() -> None:
    pipe, go = Pipe(), asyncio.Event()

    async def failing() -> None:
        await go.wait()
        raise ConnectionError("down")

    reader = asyncio.create_task(failing())
    await pipe.push(b"1", reader)
    second = asyncio.create_task(pipe.push(b"2", reader))
    go.set()
    with pytest.raises(ConnectionError):
        await second
    with pytest.raises(ConnectionError):
        await pipe.push(b"3", reader)


async def test_an_abort_overtakes_what_is_waiting() -> None:
    pipe, seen = Pipe(), list[bytes]()
    reader = asyncio.create_task(drain(pipe, seen))
    await pipe.push(b"1", reader)
    pipe.abort()
    with pytest.raises(Aborted):
        await reader
    assert seen == []
