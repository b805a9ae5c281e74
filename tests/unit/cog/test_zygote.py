"""The parts of a zygote that need no fork: messages, what it looks at, what it does not share."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.cog import zygote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="zygotes need /proc")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_comes_whole_with_its_descriptors(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    read, write = os.pipe()
    content = zygote.json.dumps({"start": {"env": {"X": "ä" * 200_000}}}).encode()

    def send() -> None:
        socket.send_fds(ours, [zygote.LENGTH.pack(len(content))], [write])
        ours.sendall(content)

    sending = threading.Thread(target=send)
    sending.start()
    message, fds = zygote.receive(theirs)
    sending.join()
    assert message["start"]["env"]["X"] == "ä" * 200_000
    (given_,) = fds
    os.write(given_, b"through")
    assert os.read(read, 20) == b"through"
    for fd in (read, write, given_):
        os.close(fd)


@given(st.lists(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans())), max_size=5))
def test_messages_come_in_order(messages: list[dict[str, object]]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message in messages:
            zygote.send(ours, message)
        ours.shutdown(socket.SHUT_WR)
        assert [zygote.receive(theirs)[0] for _ in messages] == messages
        assert zygote.receive(theirs) == (None, [])


def test_an_end_in_the_middle_is_an_end(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.sendall(zygote.LENGTH.pack(100) + b"{")
    ours.shutdown(socket.SHUT_WR)
    assert zygote.receive(theirs) == (None, [])


@pytest.mark.parametrize(
    ("path", "hides"),
    [
        ("heavy.py", True),
        ("heavy.cpython-311-x86_64-linux-gnu.so", True),
        ("heavy/__init__.py", True),
        ("heavy/data.txt", False),
        ("heavy.txt", False),
        ("heavyweight.py", False),
        ("sub/heavy.py", False),
    ],
)
def test_what_hides_a_library(tmp_path: Path, path: str, hides: bool) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).touch()
    assert (zygote.shadowed(str(tmp_path), {"heavy", "json"}) is not None) == hides


def test_what_is_open_counts_unless_it_is_harmless(tmp_path: Path) -> None:
    clean = zygote.descriptors()
    with open("/dev/null"):
        assert zygote.opened_since(clean) == []
    with (tmp_path / "log").open("w") as file:
        assert zygote.opened_since(clean) == [str(tmp_path / "log")]
    del file


def test_descriptors_move_out_of_the_way() -> None:
    read, write = os.pipe()
    moved = zygote.moved(read)
    assert moved > zygote.SHIM_FD
    os.write(write, b"x")
    assert os.read(moved, 1) == b"x"
    for fd in (moved, write):
        os.close(fd)
