"""What an instance prints outside its predictions: coglet's stderr, read line by line.

coglet writes one JSON object per line there; whatever else appears (an interpreter that can't start, the
launcher's traceback) is plain text. See cog-runtime.md 9.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections import deque
from collections.abc import Callable
from enum import Enum

import msgspec

LINE_LIMIT = 8 * 1024 * 1024
"""Bytes. coglet itself cuts lines at 4 MiB; escaped as JSON they may grow."""
_READ = 256 * 1024


class Origin(Enum):
    SETUP = "coglet::setup"
    """Printed by the model before it was ready."""
    MODEL = "coglet::user"
    """Printed by child processes, C code, or between predictions."""
    RUNTIME = "coglet"
    """coglet's own words, and text that is not coglet's."""


class _Fields(msgspec.Struct):
    message: str = ""


class _Line(msgspec.Struct):
    target: str
    fields: _Fields


_decoder = msgspec.json.Decoder(_Line)


def parse(line: bytes) -> tuple[Origin, str]:
    """Where a line comes from, and its text with a line end."""
    try:
        decoded = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Origin.RUNTIME, line.decode(errors="replace") + "\n"
    text = decoded.fields.message
    if not text.endswith("\n"):
        text += "\n"
    if decoded.target == Origin.SETUP.value:
        return Origin.SETUP, text
    if decoded.target == Origin.MODEL.value:
        return Origin.MODEL, text
    return Origin.RUNTIME, text


class Printed:
    """Reads the pipe `fd`, which it owns, and gives each line to `on_line`, until the end or `close`."""

    def __init__(self, fd: int, on_line: Callable[[Origin, str], None]) -> None:
        self._fd = fd
        self._on_line = on_line
        self._rest = bytearray()
        self._open = True
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._readable)

    def drain(self) -> None:
        """Takes what lies in the pipe right now. What comes meanwhile is left: a model that prints without end would
        keep us here, and no deadline would ever strike."""
        left = self._waiting()
        while self._open and left > 0 and (taken := self._readable()):
            left -= taken

    def close(self) -> None:
        """Takes what lies in the pipe and closes it."""
        self.drain()
        self._end()

    def _waiting(self) -> int:
        """Bytes in the pipe; 0 once it is closed."""
        if not self._open:
            return 0
        count: int = struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4)))[0]
        return count

    def _readable(self) -> int:
        """How many bytes were there."""
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return 0
        if not data:
            self._end()
            return 0
        self._rest += data
        if b"\n" in data:
            *lines, rest = self._rest.split(b"\n")
            self._rest = rest
            for line in lines:
                self._take(line)
        if len(self._rest) > LINE_LIMIT:
            self._take(self._rest)
            self._rest = bytearray()
        return len(data)

    def _take(self, line: bytearray) -> None:
        if line:
            self._on_line(*parse(bytes(line)))

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._take(self._rest)


class Tail:
    """The last of a text: at most `limit` characters of whole pieces."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: deque[str] = deque()
        self._length = 0

    def add(self, text: str) -> None:
        text = text[-self._limit :]
        self._pieces.append(text)
        self._length += len(text)
        while self._length > self._limit:
            self._length -= len(self._pieces.popleft())

    def __str__(self) -> str:
        return "".join(self._pieces)
