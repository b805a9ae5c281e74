"""`python -m bench gaps`: how long does an instance idle between two predictions while others wait?

1,000 predictions are queued while 8 instances boot; then they work them off. A gap is from the end of one run to the
start of the next in the same process, by the model's own clock: everything that is not the model, coglet's share
included. Beside it what one instance does alone, where no other contends for the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench import results
from bench.http import Connection
from hearth.testing.live import LiveServer

HERE = Path(__file__).parent
TARGET = 2.0
"""Milliseconds of the median gap."""
console = Console(highlight=False)


async def _queue(server: LiveServer, version: str, count: int, seconds: float) -> list[str]:
    """Create `count` predictions, without waiting for any; their ids."""
    headers = {"Authorization": f"Bearer {server.token}"}
    connections = [Connection(server.url) for _ in range(8)]
    ids: list[str] = []

    async def create(connection: Connection, number: int) -> None:
        for _ in range(number):
            body = {"version": version, "input": {"seconds": seconds}, "priority": "batch"}
            _, answer = await connection.request("POST", "/v1/predictions", body, headers)
            ids.append(json.loads(answer)["id"])

    await asyncio.gather(*(create(c, count // len(connections)) for c in connections))
    for connection in connections:
        connection.close()
    return ids


async def _outputs(server: LiveServer, ids: list[str]) -> list[tuple[int, float, float]]:
    """Process, beginning and end of each run, once all have ended."""
    headers = {"Authorization": f"Bearer {server.token}"}
    connection = Connection(server.url)
    found = []
    await asyncio.sleep(1)
    for id_ in reversed(ids):
        while True:
            _, answer = await connection.request("GET", f"/v1/predictions/{id_}", headers=headers)
            shown = json.loads(answer)
            if shown["status"] not in ("starting", "processing"):
                break
            await asyncio.sleep(0.5)  # seldom: who asks takes time from who works
        assert shown["status"] == "succeeded", shown
        process, began, ended = shown["output"].split()
        found.append((int(process), float(began), float(ended)))
    connection.close()
    return found


def gaps(runs: list[tuple[int, float, float]]) -> list[float]:
    """Milliseconds, ascending."""
    own: dict[int, list[tuple[float, float]]] = {}
    for process, began, ended in runs:
        own.setdefault(process, []).append((began, ended))
    found = []
    for times in own.values():
        times.sort()
        found += [(after[0] - before[1]) * 1000 for before, after in pairwise(times)]
    return sorted(found)


def measure(instances: int, count: int, seconds: float) -> dict[str, float]:
    limits = {"HEARTH_MAX_INSTANCES": f"{instances}", "HEARTH_MAX_INSTANCES_PER_VERSION": f"{instances}"}
    with tempfile.TemporaryDirectory(prefix="hearth-gaps-") as folder:
        variables = {"HEARTH_LOG_LEVEL": "warning", **limits}
        with LiveServer(Path(folder) / "data", tls=False, variables=variables) as server:
            pushed = server.hearth("push", str(HERE / "models" / "clock"), "admin/clock", "--create", "--json")
            version = json.loads(pushed.stdout)["version"]
            ids = uvloop.run(_queue(server, version, count, seconds))
            runs = uvloop.run(_outputs(server, ids))
    found = gaps(runs)
    began, ended = min(run[1] for run in runs), max(run[2] for run in runs)
    return {
        "instances": len({process for process, _, _ in runs}),
        "predictions": len(runs),
        "p50": found[len(found) // 2],
        "p90": found[int(len(found) * 0.9)],
        "p99": found[int(len(found) * 0.99)],
        "rate": len(runs) / (ended - began),
    }


def main(arguments: list[str]) -> bool:
    """Whether the target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench gaps", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer predictions: a look, not a result")
    quick = parser.parse_args(arguments).quick
    count = 200 if quick else 1000
    rows = {
        "8 instances, 100 ms runs": measure(8, count, 0.1),
        "8 instances, no-op": measure(8, count, 0.0),
        "1 instance, no-op": measure(1, count, 0.0),
    }
    table = Table("measure", "instances", "p50 ms", "p90 ms", "p99 ms", "runs/s", box=None, pad_edge=False)
    for what, row in rows.items():
        table.add_row(what, f"{row['instances']}", *(f"{row[key]:.2f}" for key in ("p50", "p90", "p99", "rate")))
    console.print(table)
    if not quick:
        console.print(f"written to {results.write('gaps', {'rows': rows}).relative_to(HERE.parent)}")
    return rows["8 instances, 100 ms runs"]["p50"] > TARGET
