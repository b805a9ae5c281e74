"""`make bench`: what Hearth costs on top of bare coglet, measured beside it in the same run.

    python -m bench [--quick] [--tls]
    python -m bench SUITE [...]     another suite: each module here that has a `main(arguments)`, `scale` for one;
                                    it returns how many of its figures are out of bounds

Figures of one machine mean little; the ratios of one run mean something. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench import results
from bench.coglet import BareCoglet
from bench.http import Connection, Timing
from hearth.testing.live import LiveServer

HERE = Path(__file__).parent
console = Console(highlight=False)
Row = tuple[str, float | None, float, str]
"""What, bare coglet's figure, Hearth's, the unit."""


async def load(
    url: str, workers: int, count: int, send: Callable[[Connection], Awaitable[bool]], warmup: int = 50
) -> Timing:
    """`count` requests over `workers` connections; `send` says whether one went well."""

    async def work(connection: Connection, budget: list[int], times: list[float], failures: list[int]) -> None:
        while budget[0] > 0:
            budget[0] -= 1
            began = time.perf_counter()
            if await send(connection):
                times.append(time.perf_counter() - began)
            else:
                failures[0] += 1

    connections = [Connection(url) for _ in range(workers)]
    try:
        await asyncio.gather(*(work(c, [warmup // workers + 1], [], [0]) for c in connections))
        times: list[float] = []
        failures, budget = [0], [count]
        began = time.perf_counter()
        await asyncio.gather(*(work(c, budget, times, failures) for c in connections))
        return Timing(times, time.perf_counter() - began, failures[0])
    finally:
        for connection in connections:
            connection.close()


async def bare_noop(connection: Connection) -> bool:
    while True:
        status, body = await connection.request("POST", "/predictions", {"input": {"text": "x"}})
        if status != 409:
            return status == 200 and b'"succeeded"' in body


class Hearth:
    """The requests that are measured, against one live server."""

    def __init__(self, server: LiveServer, noop: str, ticker: str) -> None:
        self.server, self.noop, self.ticker = server, noop, ticker
        self.headers = {"Authorization": f"Bearer {server.token}"}

    async def held(self, connection: Connection) -> bool:
        body = {"version": self.noop, "input": {"text": "x"}}
        headers = {**self.headers, "Prefer": "wait"}
        status, answer = await connection.request("POST", "/v1/predictions", body, headers)
        return status == 201 and b'"succeeded"' in answer

    async def burst(self, count: int, workers: int) -> float:
        """Predictions a second, from the first create to the end of the last prediction."""
        connections = [Connection(self.server.url) for _ in range(workers)]
        ids: list[str] = []

        async def create(connection: Connection) -> None:
            while len(ids) < count:
                ids.append("")
                slot = len(ids) - 1
                body = {"version": self.noop, "input": {"text": "x"}}
                _, answer = await connection.request("POST", "/v1/predictions", body, self.headers)
                ids[slot] = json.loads(answer)["id"]

        began = time.perf_counter()
        await asyncio.gather(*(create(c) for c in connections))
        for id_ in ids:
            while True:
                _, answer = await connections[0].request("GET", f"/v1/predictions/{id_}", headers=self.headers)
                if json.loads(answer)["status"] == "succeeded":
                    break
                await asyncio.sleep(0.005)
        wall = time.perf_counter() - began
        for connection in connections:
            connection.close()
        return count / wall

    async def chunks(self, count: int, pause: float) -> list[float]:
        """Seconds from yield to reader, one per chunk."""
        connection = Connection(self.server.url)
        body = {"version": self.ticker, "input": {"count": count, "pause": pause}}
        _, answer = await connection.request("POST", "/v1/predictions", body, self.headers)
        connection.close()
        path = json.loads(answer)["urls"]["stream"].removeprefix(self.server.url)
        seen = await Connection(self.server.url).events(path, {})
        return [at - float(line[6:]) for at, line in seen if line.startswith(b"data: 1")]


async def bare_chunks(url: str, count: int, pause: float) -> list[float]:
    body = {"input": {"count": count, "pause": pause}}
    seen = await Connection(url).events("/predictions", {}, method="POST", body=body)
    found = []
    for at, line in seen:
        if line.startswith(b"data: ") and b'"chunk"' in line:
            found.append(at - float(json.loads(line[6:])["chunk"]))
    return found


def memory(pid: int) -> float:
    """Resident megabytes of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(quick: bool) -> list[Row]:
    count = 400 if quick else 3000
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder:
        server = LiveServer(Path(folder) / "data", tls=False, variables={"HEARTH_LOG_LEVEL": "warning"})
        with server:
            console.print("pushing the models")
            versions = {}
            for name in ("noop", "ticker"):
                done = server.hearth("push", str(HERE / "models" / name), f"admin/{name}", "--create", "--json")
                versions[name] = json.loads(done.stdout)["version"]
            python = _environment(server)
            hearth = Hearth(server, versions["noop"], versions["ticker"])
            idle = memory(server.pid)

            console.print("from zero to the first answer")
            cold = []
            began = time.perf_counter()
            assert uvloop.run(hearth.held(Connection(server.url))), "the first prediction failed"
            cold.append(time.perf_counter() - began)

            with BareCoglet(HERE / "models" / "noop", python) as bare:
                bare_idle = bare.memory()
                rows.append(("zero to first answer", bare.boot_seconds * 1000, cold[0] * 1000, "ms"))
                for workers in (1, 16):
                    console.print(f"no-op, held, {workers} at a time")
                    # Alternate, so that a noisy minute hits both.
                    pairs = []
                    for _ in range(3):
                        b = uvloop.run(load(bare.url, workers, count // 3, bare_noop))
                        h = uvloop.run(load(server.url, workers, count // 3, hearth.held))
                        failed = b.errors + h.errors
                        assert not failed, f"errors: bare {b.errors}, hearth {h.errors}"
                        pairs.append((b, h))
                    for label, percent in (("p50", 50), ("p99", 99)):
                        bare_ms = statistics.median(b.percentile(percent) for b, _ in pairs) * 1000
                        ours_ms = statistics.median(h.percentile(percent) for _, h in pairs) * 1000
                        rows.append((f"no-op held, {workers} at a time, {label}", bare_ms, ours_ms, "ms"))
                    bare_rate = statistics.median(b.rate for b, _ in pairs)
                    ours_rate = statistics.median(h.rate for _, h in pairs)
                    rows.append((f"no-op held, {workers} at a time", bare_rate, ours_rate, "/s"))
                bare_rate = rows[-1][1]
                console.print("no-op, asynchronous")
                rate = uvloop.run(hearth.burst(count, 16))
                rows.append(("no-op asynchronous, 16 at a time, until the last ended", bare_rate, rate, "/s"))
                bare_busy = bare.memory()
            busy = memory(server.pid)

            console.print("chunks of a stream")
            ticks = 100 if quick else 300
            with BareCoglet(HERE / "models" / "ticker", python, schema=_streaming(server, versions["ticker"])) as bare:
                b = uvloop.run(bare_chunks(bare.url, ticks, 0.01))
            h = uvloop.run(hearth.chunks(ticks, 0.01))
            assert len(b) == len(h) == ticks, f"chunks: bare {len(b)}, hearth {len(h)} of {ticks}"
            for label, q in (("p50", 0.5), ("p99", 0.99)):
                rows.append((f"chunk, yield to reader, {label}", _quantile(b, q) * 1000, _quantile(h, q) * 1000, "ms"))
            rows.append(("memory idle: coglet with its model; our server", bare_idle, idle, "MB"))
            rows.append(("memory after the load: the same", bare_busy, busy, "MB"))
    return rows


def _quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def _environment(server: LiveServer) -> Path:
    """The interpreter of the environment that the push built."""
    found = sorted((server.data / "environments" / "envs").glob("*/bin/python"))
    assert found, "no environment was built"
    return found[0]


def _streaming(server: LiveServer, version: str) -> dict[str, Any]:
    """The ticker's schema with the flag that makes coglet stream."""
    found = json.loads(server.hearth("versions", "admin/ticker", "--json").stdout)
    schema: dict[str, Any] = next(v["openapi_schema"] for v in found if v["id"] == version)
    schema["paths"]["/predictions"]["post"]["x-cog-streaming"] = True
    return schema


def _suite(name: str) -> Callable[[list[str]], int]:
    known = sorted(path.stem for path in HERE.glob("*.py") if "\ndef main(arguments:" in path.read_text())
    if name not in known:
        sys.exit(f"There is no suite {name!r}: choose one of {', '.join(known)}.")
    suite: Callable[[list[str]], int] = importlib.import_module(f"bench.{name}").main
    return suite


def main() -> None:
    if sys.argv[1:2] and sys.argv[1].isidentifier():
        sys.exit(1 if _suite(sys.argv[1])(sys.argv[2:]) else 0)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests: a look, not a result")
    quick = parser.parse_args().quick
    rows = measure(quick)
    table = Table("measure", "bare coglet", "Hearth", "ratio", box=None, pad_edge=False)
    for what, bare, ours, unit in rows:
        ratio = f"{ours / bare:.2f}" if bare else ""
        table.add_row(what, f"{bare:.2f} {unit}" if bare is not None else "", f"{ours:.2f} {unit}", ratio)
    console.print(table)
    if quick:
        return
    path = results.write("", {"rows": [{"what": w, "bare": b, "hearth": h, "unit": u} for w, b, h, u in rows]})
    console.print(f"written to {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
