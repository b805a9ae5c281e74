"""What grouping is worth: a model whose run costs 20 ms whatever it is given, beside the same one that is not grouped.

python -m bench batching [--quick]

Held predictions from one client and from many; one instance each.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench import results
from bench.__main__ import load
from bench.http import Connection
from hearth.testing.live import LiveServer

HERE = Path(__file__).parent
WORKERS = (1, 8, 64)
LEAST = 4.0
"""Times the throughput that 64 clients must get of groups, or the figure is out of bounds."""
console = Console(highlight=False)


def main(arguments: list[str]) -> int:
    """The number of figures that are out of bounds."""
    quick = "--quick" in arguments
    rows = []
    with tempfile.TemporaryDirectory(prefix="hearth-batching-") as folder:
        server = LiveServer(Path(folder) / "data", tls=False, variables={"HEARTH_LOG_LEVEL": "warning"})
        with server:
            versions = {}
            for name in ("alone", "batched"):
                done = server.hearth("push", str(HERE / "models" / name), f"admin/{name}", "--create", "--json")
                versions[name] = json.loads(done.stdout)["version"]
            headers = {"Authorization": f"Bearer {server.token}", "Prefer": "wait"}

            def sender(version: str):  # type: ignore[no-untyped-def] # a closure for `load`
                async def send(connection: Connection) -> bool:
                    body = {"version": version, "input": {"text": "x"}}
                    status, answer = await connection.request("POST", "/v1/predictions", body, headers)
                    return status == 201 and b'"succeeded"' in answer

                return send

            for workers in WORKERS:
                count = workers * (8 if quick else 40)
                for name in ("alone", "batched"):
                    console.print(f"{name}, {workers} at a time")
                    timing = uvloop.run(load(server.url, workers, count, sender(versions[name]), warmup=workers))
                    assert not timing.errors, f"{timing.errors} errors"
                    rows.append(
                        (name, workers, timing.rate, timing.percentile(50) * 1000, timing.percentile(99) * 1000)
                    )
            size = _mean_size(uvloop.run(_metrics(server)))
    table = Table("model", "clients", "predictions/s", "p50", "p99", box=None, pad_edge=False)
    for name, workers, rate, p50, p99 in rows:
        table.add_row(name, str(workers), f"{rate:.0f}", f"{p50:.1f} ms", f"{p99:.1f} ms")
    console.print(table)
    gain = rows[-1][2] / rows[-2][2]
    console.print(f"{gain:.1f} times the throughput with {WORKERS[-1]} clients; {size:.1f} in a group on average")
    if not quick:
        names = ("model", "clients", "per_second", "p50_ms", "p99_ms")
        found = [dict(zip(names, (row[0], row[1], *(round(x, 2) for x in row[2:])), strict=True)) for row in rows]
        path = results.write("batching", {"rows": found, "mean_batch_size": round(size, 2)})
        console.print(f"written to bench/results/{path.name}")
    return int(gain < LEAST)


async def _metrics(server: LiveServer) -> str:
    connection = Connection(server.url)
    try:
        _, body = await connection.request("GET", "/metrics")
        return body.decode()
    finally:
        connection.close()


def _mean_size(metrics: str) -> float:
    total, count = (re.search(rf"^hearth_batch_size_{name} (\S+)$", metrics, re.MULTILINE) for name in ("sum", "count"))
    return float(total[1]) / float(count[1]) if total and count else 0.0
