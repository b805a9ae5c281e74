"""The platform's side of one coglet: health, predictions with live events, cancel, shutdown.

Every prediction is driven as a stream of server-sent events (cog-runtime.md 5): it alone gives live logs and
keeps the logs of a failure. Events are handed over inside the socket's read callback, one plain call each,
so a slow consumer must buffer for itself: a reader that stalls gets its prediction canceled by coglet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from hearth.cog.connection import Answer, Connection
from hearth.cog.events import (
    CHUNK_METRIC,
    ID_CONTEXT,
    PRINTED_METRIC,
    VALUE,
    Completed,
    Event,
    Log,
    Metric,
    Output,
    Started,
    plain_error,
    unwrapped,
)
from hearth.errors import HearthError, InstanceLost, InvalidField, InvalidInput, TooLarge, Unavailable

__all__ = ["AtCapacity", "Coglet", "Completed", "Event", "Health", "Log", "Metric", "Output", "Started"]

BODY_LIMIT = 100 * 1024 * 1024
"""Bytes. coglet cuts the connection beyond it."""
CAPACITY_PATIENCE = 0.25
"""Seconds. A slot is released a moment after its response is sent, so a 409 before this means nothing."""
_FIRST_PAUSE, _LAST_PAUSE = 0.0003, 0.02
_LARGE = 1024 * 1024
"""Bytes of an event. coglet puts values beyond 6 MiB into files between its processes."""
_DEAD_WORKER = "healthcheck channel closed"
_UNANSWERED = "healthcheck timed out"


class AtCapacity(Unavailable):
    """Every slot of this instance is taken."""

    code: ClassVar[str] = "at_capacity"


class _Setup(msgspec.Struct, frozen=True):
    status: str = "starting"
    logs: str = ""


class Health(msgspec.Struct, frozen=True):
    """coglet's own view. It answers late while a prediction holds the GIL: no liveness probe."""

    status: str
    """STARTING, READY, BUSY, SETUP_FAILED or UNHEALTHY."""
    setup: _Setup = _Setup()
    user_healthcheck_error: str | None = None

    @property
    def worker_dead(self) -> bool:
        """The worker is gone for good: coglet never restarts it."""
        return self.status == "DEFUNCT" or _DEAD_WORKER in (self.user_healthcheck_error or "")

    @property
    def fit(self) -> bool:
        """The model says that it is well, or is too busy to be asked."""
        return self.status in ("READY", "BUSY", "STARTING")

    @property
    def unanswered(self) -> bool:
        """coglet asked the worker and waited 10 s in vain. It asks no second time while the first question is open: one
        that got lost between them stays so for ever."""
        return self.user_healthcheck_error == _UNANSWERED

    @property
    def accepts(self) -> bool:
        """Setup is over and the worker lives; `healthcheck()` of the model may still say no."""
        return self.status in ("READY", "BUSY", "UNHEALTHY") and not self.worker_dead


class _Detail(msgspec.Struct, frozen=True):
    loc: list[str | int] = []
    msg: str = "is not valid"
    type: str = "value_error"


class _Detailed(msgspec.Struct, frozen=True):
    detail: list[_Detail] = []


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


_health = msgspec.json.Decoder(Health)
_log = msgspec.json.Decoder(Log)
_metric = msgspec.json.Decoder(Metric)
_output = msgspec.json.Decoder(Output)
_completed = msgspec.json.Decoder(Completed)
_encoder = msgspec.json.Encoder()
_STARTED = Started()
_WRAPPED = (b'{"chunk":{"%b":' % VALUE.encode(), b'{"chunk":{"%b":' % CHUNK_METRIC.encode())
"""How coglet's own event of a result begins that is no item; `completed` brings it again."""


class Coglet:
    """A client for one instance. Belongs to one event loop; `close` it when the instance is given up."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed = False
        self._host_header = f"host: {f'[{host}]' if ':' in host else host}:{port}\r\n".encode()
        self._predict_head = (
            b"POST /predictions HTTP/1.1\r\n" + self._host_header + b"accept: text/event-stream\r\n"
            b"content-type: application/json\r\ncontent-length: "
        )

    async def health(self) -> Health:
        """Raises InstanceLost while or when nobody listens."""
        answer = await self._send(self._request(b"GET /health-check"))
        return _health.decode(answer.body)

    async def predict(
        self,
        id: str,
        input: Mapping[str, Any],
        *,
        context: Mapping[str, str] | None = None,
        on_event: Callable[[Event], None],
    ) -> Completed:
        """Runs one prediction; `on_event` sees each event in order, the returned `Completed` last.

        `id` becomes a folder name in coglet: 26 safe characters (`ids`), never a caller's text. Cancelling
        the task closes the connection, which cancels the prediction. Raises AtCapacity, InvalidInput,
        TooLarge, Unavailable (setup is not over), InstanceLost (`started`: whether the model may have begun).
        """
        content = {"id": id, "input": dict(input), "context": {**(context or {}), ID_CONTEXT: id}}
        body = _encoder.encode(content)
        if len(body) > BODY_LIMIT:
            raise TooLarge(
                f"The input has {len(body)} bytes; a model takes {BODY_LIMIT}.",
                hint="Pass large values as files.",
            )
        request = b"%b%d\r\n\r\n%b" % (self._predict_head, len(body), body)
        run = _Run(on_event)
        answer = await self._send(request, run)
        if answer.status == 409:
            answer = await self._again(request, run)
        if not answer.streamed:
            raise _refused(answer)
        return run.result()

    async def cancel(self, id: str) -> bool:
        """Asks a running prediction to stop. False: coglet doesn't run it."""
        answer = await self._send(self._request(f"POST /predictions/{id}/cancel".encode()))
        return answer.status == 200

    async def shutdown(self) -> None:
        """Asks coglet to finish what runs and exit. Raises InstanceLost when it is gone already."""
        await self._send(self._request(b"POST /shutdown"))

    def close(self) -> None:
        """Drops every connection; predictions that still run are canceled. Later calls raise InstanceLost."""
        self._closed = True
        self._idle.clear()
        for connection in tuple(self._open):
            connection.abort()
        self._open.clear()

    def _request(self, line: bytes) -> bytes:
        return b"%b HTTP/1.1\r\n%bcontent-length: 0\r\n\r\n" % (line, self._host_header)

    async def _send(self, request: bytes, run: _Run | None = None) -> Answer:
        connection = await self._connection()
        try:
            return await connection.exchange(request, run.take if run is not None else None)
        finally:
            if connection.closed:
                self._open.discard(connection)

    async def _again(self, request: bytes, run: _Run) -> Answer:
        """Repeats a request that met no free slot, until CAPACITY_PATIENCE is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CAPACITY_PATIENCE
        pause = _FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            answer = await self._send(request, run)
            if answer.status != 409:
                return answer
            if loop.time() >= until:
                break
            pause = min(pause * 1.5, _LAST_PAUSE)
        # A dead worker shows as full for ever; a busy one may hold the GIL and answer late.
        try:
            async with asyncio.timeout(1):
                health = await self.health()
        except TimeoutError:
            raise AtCapacity() from None
        if health.worker_dead:
            raise InstanceLost("the model's process died", started=False)
        raise AtCapacity()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            self._open.discard(connection)
        if self._closed:
            raise InstanceLost("the instance was given up", started=False)
        try:
            connection = await Connection.open(self.host, self.port, self._freed)
        except OSError as error:
            raise InstanceLost(f"the instance does not answer: {error}", started=False) from error
        self._open.add(connection)
        return connection

    def _freed(self, connection: Connection) -> None:
        if self._closed:
            connection.abort()
        else:
            self._idle.append(connection)


class _Run:
    """Turns the events of one stream into ours, and puts the output together."""

    __slots__ = ("_completed", "_items", "_large", "_on_event")

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._items: list[Any] = []
        """What came by the chunk metric."""
        self._completed: Completed | None = None
        self._large = False

    def take(self, name: bytes, data: bytes) -> bool:
        if len(data) > _LARGE:
            self._large = True
        if name == b"output":
            if not data.startswith(_WRAPPED):
                output = _output.decode(data)
                chunk = unwrapped(output.chunk)
                self._on_event(output if chunk is output.chunk else Output(chunk, output.index))
        elif name == b"log":
            self._on_event(_log.decode(data))
        elif name == b"metric":
            self._metric(_metric.decode(data))
        elif name == b"start":
            self._on_event(_STARTED)
        elif name == b"completed":
            self._complete(_completed.decode(data))
            return True
        elif name == b"error":
            reason = msgspec.json.decode(data, type=_Refusal).error
            raise InstanceLost(f"the instance cut the stream: {reason}")
        return False

    def _metric(self, metric: Metric) -> None:
        if metric.name != CHUNK_METRIC:
            self._on_event(metric if metric.mode != "increment" else Metric(metric.name, metric.value, "incr"))
            return
        item = metric.value.get("v") if isinstance(metric.value, dict) else metric.value
        item = unwrapped(item)
        self._items.append(item)
        self._on_event(Output(item, len(self._items) - 1))

    def _complete(self, completed: Completed) -> None:
        metrics = completed.metrics
        metrics.pop(CHUNK_METRIC, None)
        metrics.pop(PRINTED_METRIC, None)
        error = plain_error(completed.error) if completed.error is not None else None
        if error == "Worker crashed":
            raise InstanceLost("the model's process died", logs=completed.logs)
        if error is not None and error.startswith("Failed to send request: "):
            raise InstanceLost("the model's process had died before this prediction", started=False)
        output = self._output(completed.output)
        if error is not completed.error or output is not completed.output or self._large:
            completed = msgspec.structs.replace(completed, error=error, output=output, large=self._large)
        self._completed = completed
        self._on_event(completed)

    def _output(self, output: Any) -> Any:
        if self._items:
            return self._items
        if type(output) is list:
            items = [unwrapped(item) for item in output]
            return items if any(a is not b for a, b in zip(items, output, strict=True)) else output
        if type(output) is dict and len(output) == 1 and CHUNK_METRIC in output:
            return []
        return unwrapped(output)

    def result(self) -> Completed:
        assert self._completed is not None
        return self._completed


def _refused(answer: Answer) -> HearthError:
    if answer.status == 422:
        details = msgspec.json.decode(answer.body, type=_Detailed).detail
        return InvalidInput(
            tuple(
                InvalidField(
                    "required" if detail.type == "value_error.missing" else detail.type,
                    ".".join(str(part) for part in detail.loc[2:]) or "input",
                    detail.msg,
                )
                for detail in details
            )
        )
    try:
        reason = msgspec.json.decode(answer.body, type=_Refusal).error
    except msgspec.DecodeError:
        reason = answer.body[:200].decode(errors="replace")
    return Unavailable(f"The instance answered {answer.status}: {reason}")
