from __future__ import annotations

import asyncio
import json
import os

import pytest

from hearth.runtime import printed
from hearth.runtime.printed import Origin, Printed, Tail, parse


def line(target: str, message: str) -> bytes:
    return json.dumps({"level": "INFO", "fields": {"message": message, "source": "Stdout"}, "target": target}).encode()


@pytest.mark.parametrize(
    ("raw", "origin", "text"),
    [
        (line("coglet::setup", "loading"), Origin.SETUP, "loading\n"),
        (line("coglet::setup", "loading\n"), Origin.SETUP, "loading\n"),
        (line("coglet::user", "from C"), Origin.MODEL, "from C\n"),
        (line("coglet::orchestrator", "odd"), Origin.RUNTIME, "odd\n"),
        (b"Traceback (most recent call last):", Origin.RUNTIME, "Traceback (most recent call last):\n"),
        (b'{"half": ', Origin.RUNTIME, '{"half": \n'),
        (
            b'{"target": "coglet::setup", "fields": 3}',
            Origin.RUNTIME,
            '{"target": "coglet::setup", "fields": 3}\n',
        ),
        (b"\xff\xfe", Origin.RUNTIME, "\ufffd\ufffd\n"),
    ],
)
def test_lines_are_told_apart(raw: bytes, origin: Origin, text: str) -> None:
    assert parse(raw) == (origin, text)


class Pipe:
    def __init__(self) -> None:
        self.lines: list[str] = []
        read, self.write = os.pipe()
        self.printed = Printed(read, lambda _, text: self.lines.append(text))


async def test_a_line_in_pieces_is_one_line() -> None:
    pipe = Pipe()
    raw = line("coglet::user", "one line") + b"\n"
    os.write(pipe.write, raw[:10])
    pipe.printed.drain()
    assert pipe.lines == []
    os.write(pipe.write, raw[10:] + raw[:5])
    pipe.printed.drain()
    assert pipe.lines == ["one line\n"]
    os.close(pipe.write)
    pipe.printed.close()


async def test_lines_are_read_without_being_asked_and_the_rest_at_the_end() -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    read, write = os.pipe()
    lines: list[str] = []

    def take(_: Origin, text: str) -> None:
        lines.append(text)
        if text == "no line end\n":
            ended.set_result(None)

    printed_ = Printed(read, take)
    os.write(write, b"plain\nno line end")
    os.close(write)
    await ended
    assert lines == ["plain\n", "no line end\n"]
    printed_.close()


async def test_close_twice_is_harmless() -> None:
    pipe = Pipe()
    os.write(pipe.write, b"last\n")
    os.close(pipe.write)
    pipe.printed.close()
    pipe.printed.close()
    assert pipe.lines == ["last\n"]


async def test_a_line_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "LINE_LIMIT", 100)
    pipe = Pipe()
    os.write(pipe.write, b"x" * 150)
    pipe.printed.drain()
    assert pipe.lines == ["x" * 150 + "\n"]
    os.close(pipe.write)
    pipe.printed.close()


def test_a_tail_keeps_the_last_pieces() -> None:
    tail = Tail(10)
    for text in ("1234\n", "5678\n", "9\n"):
        tail.add(text)
    assert str(tail) == "5678\n9\n"
    tail.add("y" * 50)
    assert str(tail) == "y" * 10


async def test_draining_ends_though_more_is_printed_all_the_time() -> None:
    read, write = os.pipe()
    heard: list[str] = []

    def answer(origin: Origin, text: str) -> None:
        heard.append(text)
        if len(heard) < 100:
            os.write(write, b"and on\n")

    endless = Printed(read, answer)
    os.write(write, b"on\n")
    endless.drain()
    assert heard == ["on\n"]
    endless.drain()
    assert heard == ["on\n", "and on\n"]
    heard += ["enough\n"] * 100
    os.close(write)
    endless.close()
