"""Writes of one moment go out together."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hearth.gathering import MOST, Gathering


class Socket:
    """A transport that remembers what it was handed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = self.paused = False

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1)}.get(name, default)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@pytest.fixture
def socket() -> Socket:
    return Socket()


@pytest.fixture
async def gathering(socket: Socket) -> Gathering:
    return Gathering(cast(asyncio.Transport, socket))


async def test_what_is_written_in_one_go_is_one_write(gathering: Gathering, socket: Socket) -> None:
    gathering.write(b"head")
    gathering.write(bytearray(b"body"))
    assert socket.written == []
    await asyncio.sleep(0)
    assert socket.written == [b"headbody"]
    gathering.write(b"more")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert socket.written == [b"headbody", b"more"]


async def test_a_large_body_is_handed_on_at_once(gathering: Gathering, socket: Socket) -> None:
    """The transport must say when it is full, while the writer goes on."""
    gathering.write(b"head")
    gathering.write(b"x" * MOST)
    assert socket.written == [b"head" + b"x" * MOST]
    gathering.write(b"tail")
    await asyncio.sleep(0)
    assert socket.written[1:] == [b"tail"]


async def test_closing_sends_what_was_written(gathering: Gathering, socket: Socket) -> None:
    gathering.write(b"bye")
    gathering.close()
    assert (socket.written, gathering.is_closing()) == ([b"bye"], True)
    await asyncio.sleep(0)
    assert socket.written == [b"bye"]


async def test_nothing_is_written_to_whom_is_gone(gathering: Gathering, socket: Socket) -> None:
    gathering.write(b"who reads this?")
    socket.closing = True
    await asyncio.sleep(0)
    assert socket.written == []


async def test_the_rest_is_the_transport_s_own(gathering: Gathering, socket: Socket) -> None:
    assert gathering.get_extra_info("peername") == ("127.0.0.1", 1)
    assert gathering.get_extra_info("sslcontext", "none") == "none"
    gathering.pause_reading()
    assert socket.paused
    gathering.resume_reading()
    assert not socket.paused
