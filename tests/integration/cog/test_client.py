"""The client against a server that misbehaves in every way that coglet can, and under load."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hearth.cog import client
from hearth.cog.client import AtCapacity, Coglet, Completed, Event, Log, Output, Started
from hearth.errors import InstanceLost, InvalidField, InvalidInput, TooLarge, Unavailable

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
START = b'event: start\ndata: {"id":"a","status":"processing"}\n\n'
LOG = b'event: log\ndata: {"source":"stdout","data":"hi\\n"}\n\n'
DONE = b'event: completed\ndata: {"id":"a","status":"succeeded","logs":"","metrics":{},"output":1}\n\n'
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def plain(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


class Script:
    """Answers each request with the next bytes of `answers`; None closes the connection instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.handlers: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.handlers.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    break
                writer.write(answer)
                if answer.startswith(HEAD) and not answer.endswith(END):
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Coglet]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    coglet = Coglet("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield coglet
    finally:
        coglet.close()
        await asyncio.gather(*filter(None, script.handlers))
        server.close()
        await server.wait_closed()


async def predict(coglet: Coglet, events: list[Event] | None = None) -> Completed:
    return await coglet.predict("a", {"x": 1}, on_event=(events if events is not None else []).append)


async def test_events_in_order_over_one_kept_connection() -> None:
    script = Script(HEAD + chunk(START + LOG) + chunk(DONE) + END)
    async with serving(script) as coglet:
        events: list[Event] = []
        done = await predict(coglet, events)
        assert events == [Started(), Log("stdout", "hi\n"), done]
        await predict(coglet)
        assert script.connections == 1
        assert b'{"id":"a","input":{"x":1},"context":{"hearth_id":"a"}}' in script.requests[0]


@pytest.mark.parametrize(
    "answer", [HEAD, HEAD + chunk(START), HEAD + chunk(START) + END, HEAD + chunk(START)[:20], None]
)
async def test_a_stream_that_just_ends_is_a_lost_instance(answer: bytes | None) -> None:
    async with serving(Script(answer)) as coglet:
        with pytest.raises(InstanceLost) as caught:
            await predict(coglet)
        assert caught.value.started


async def test_something_else_than_coglet_is_a_lost_instance() -> None:
    async with serving(Script(b"SSH-2.0-OpenSSH\r\n\r\n")) as coglet:
        with pytest.raises(InstanceLost, match="not HTTP"):
            await predict(coglet)


async def test_a_lagging_stream_is_told_apart() -> None:
    error = b'event: error\ndata: {"error":"SSE stream lagged","skipped":9}\n\n'
    async with serving(Script(HEAD + chunk(START + error) + END)) as coglet:
        with pytest.raises(InstanceLost, match="SSE stream lagged"):
            await predict(coglet)


async def test_nobody_listens() -> None:
    async with serving(Script(None)) as coglet:
        port = coglet.port
    with pytest.raises(InstanceLost) as caught:
        await predict(Coglet("127.0.0.1", port))
    assert not caught.value.started


async def test_a_full_slot_is_tried_again() -> None:
    full = plain(b"409 Conflict", b'{"error":"At capacity"}')
    script = Script(full, full, HEAD + chunk(START + DONE) + END)
    async with serving(script) as coglet:
        assert (await predict(coglet)).output == 1
        assert len(script.requests) == 3


async def test_a_full_instance_is_told_apart_from_a_dead_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CAPACITY_PATIENCE", 0.0)
    full = plain(b"409 Conflict", b'{"error":"At capacity"}')
    async with serving(Script(full, full, plain(b"200 OK", b'{"status":"BUSY"}'))) as coglet:
        with pytest.raises(AtCapacity):
            await predict(coglet)
    dead = b'{"status":"UNHEALTHY","user_healthcheck_error":"Healthcheck error: healthcheck channel closed"}'
    async with serving(Script(full, full, plain(b"200 OK", dead))) as coglet:
        with pytest.raises(InstanceLost) as caught:
            await predict(coglet)
        assert not caught.value.started


async def test_refusals() -> None:
    detail = (
        b'{"detail":[{"loc":["body","input","n"],"msg":"Field required","type":"value_error.missing"},'
        b'{"loc":["body","input","l/1"],"msg":"no","type":"type_error"}]}'
    )
    async with serving(Script(plain(b"422 Unprocessable Entity", detail))) as coglet:
        with pytest.raises(InvalidInput) as caught:
            await predict(coglet)
        assert caught.value.fields == (
            InvalidField("required", "n", "Field required"),
            InvalidField("type_error", "l/1", "no"),
        )
    async with serving(Script(plain(b"503 Unavailable", b'{"error":"Setup has not finished yet"}'))) as coglet:
        with pytest.raises(Unavailable, match="503: Setup has not finished yet"):
            await predict(coglet)
    async with serving(Script(plain(b"415 Unsupported", b"no JSON"))) as coglet:
        with pytest.raises(Unavailable, match="415: no JSON"):
            await predict(coglet)


async def test_too_large_an_input_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BODY_LIMIT", 100)
    script = Script(None)
    async with serving(script) as coglet:
        with pytest.raises(TooLarge):
            await coglet.predict("a", {"x": "y" * 100}, on_event=lambda event: None)
        assert script.connections == 0


async def test_an_error_of_the_callback_is_the_callers() -> None:
    def fail(event: Event) -> None:
        raise LookupError("mine")

    script = Script(HEAD + chunk(START + DONE) + END)
    async with serving(script) as coglet:
        with pytest.raises(LookupError, match="mine"):
            await coglet.predict("a", {}, on_event=fail)
        assert (await predict(coglet)).status == "succeeded"
        assert script.connections == 2


async def test_items_by_metric_make_the_output() -> None:
    metric = b'event: metric\ndata: {"name":"hearth_chunk","value":{"i":%d,"v":"%b"},"mode":"replace"}\n\n'
    repeated = b'event: output\ndata: {"chunk":{"hearth_chunk":2},"index":0}\n\n'
    done = (
        b'event: completed\ndata: {"status":"succeeded","output":{"hearth_chunk":2},'
        b'"metrics":{"predict_time":1,"hearth_chunk":{"i":1,"v":"b"}}}\n\n'
    )
    stream = metric % (0, b"a") + metric % (1, b"b") + repeated + done
    async with serving(Script(HEAD + chunk(START + stream) + END)) as coglet:
        events: list[Event] = []
        completed = await predict(coglet, events)
        assert events == [Started(), Output("a", 0), Output("b", 1), completed]
        assert completed.output == ["a", "b"]
        assert completed.metrics == {"predict_time": 1}


async def test_a_wrapped_result_comes_once_and_bare() -> None:
    output = b'event: output\ndata: {"chunk":{"hearth_value":"[1]"},"index":0}\n\n'
    done = b'event: completed\ndata: {"status":"succeeded","output":{"hearth_value":"[1]"},"metrics":{}}\n\n'
    async with serving(Script(HEAD + chunk(START + output + done) + END)) as coglet:
        events: list[Event] = []
        completed = await predict(coglet, events)
        assert events == [Started(), completed]
        assert completed.output == [1]


async def test_after_close_nothing_is_sent() -> None:
    script = Script(HEAD + chunk(START + DONE) + END)
    async with serving(script) as coglet:
        await predict(coglet)
        coglet.close()
        with pytest.raises(InstanceLost, match="given up"):
            await predict(coglet)


async def test_many_at_once_share_connections(start: Any) -> None:
    source = "class Predictor:\n    async def run(self, n: int) -> int:\n        return n\n"
    async with start(source, concurrency=8) as running:

        async def caller(k: int) -> None:
            for n in range(60):
                done = await running.coglet.predict(f"c{k}-{n}", {"n": n}, on_event=lambda event: None)
                assert done.output == n

        await asyncio.gather(*(caller(k) for k in range(8)))
