"""`python -m bench boots`: from zero to the first answer, beside bare coglet, with and without a zygote.

A model that imports nothing, and one that imports torch and transformers (only where a wheel of torch lies in a folder
that PIP_FIND_LINKS names, or with `--torch`: else a download of gigabytes). What is measured, the median of several:

- until READY: from the start of bare coglet until it says so; in Hearth, from the decision to boot;
- first answer: bare coglet, until READY and one prediction; in Hearth, a held prediction that finds no instance;
- own memory: of the model's process, what nobody else has mapped (USS).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench import results
from bench.coglet import BareCoglet
from bench.http import Connection
from hearth.runtime import processes
from hearth.testing.live import LiveServer

HERE = Path(__file__).parent
WAYS = {"started": "0", "forked": "1"}
"""What HEARTH_ZYGOTE_AFTER is for each way of booting."""
_FIRST = 4
"""Boots that may go before the first forked one; a model that imports nothing heavy is never forked."""
console = Console(highlight=False)
Figures = dict[str, float]


def private(pid: int) -> float:
    """Megabytes that nobody else has mapped."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def worker(server: int) -> int:
    """The model's process: of the server's children the one that lives."""
    return next(p.pid for p in processes.family(server) if p.parent == server and p.alive)


def bare(model: str, python: Path, times: int) -> Figures:
    found: list[Figures] = []
    for _ in range(times):
        began = time.perf_counter()
        with BareCoglet(HERE / "models" / model, python) as coglet:
            uvloop.run(_answer(Connection(coglet.url), "/predictions", {"input": {}}, {}))
            answered = time.perf_counter() - began
            found.append({
                "until READY": coglet.boot_seconds * 1000,
                "first answer": answered * 1000,
                "own memory": private(worker(coglet.pid)),
            })  # fmt: skip
    return _medians(found)


async def _answer(connection: Connection, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    while True:
        status, answer = await connection.request("POST", path, body, headers)
        if status != 409:
            break
    connection.close()
    assert b'"succeeded"' in answer, answer


class Hearth:
    """One server, asked for models that have no instance."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {server.token}"}

    async def _instances(self) -> list[dict[str, Any]]:
        connection = Connection(self._server.url)
        _, answer = await connection.request("GET", "/v1/admin/instances", headers=self._headers)
        connection.close()
        found: list[dict[str, Any]] = json.loads(answer)["results"]
        return found

    async def boot(self, version: str) -> tuple[Figures, dict[str, Any]]:
        while await self._instances():  # noqa: ASYNC110 - the server tells nobody when one is gone
            await asyncio.sleep(0.05)
        began = time.perf_counter()
        body = {"version": version, "input": {}}
        await _answer(Connection(self._server.url), "/v1/predictions", body, {**self._headers, "Prefer": "wait"})
        answered = time.perf_counter() - began
        shown: list[dict[str, Any]] = []
        while not shown or shown[0]["boot_seconds"] is None or shown[0]["pid"] is None:
            shown = await self._instances()
        (instance,) = shown
        figures = {
            "until READY": instance["boot_seconds"] * 1000,
            "first answer": answered * 1000,
            "own memory": private(worker(instance["pid"])),
        }
        return figures, instance


def hearth(data: Path, version: str, way: str, times: int) -> tuple[Figures, Figures]:
    """Medians, and those of the phases in milliseconds. A way that is not the wanted one does not count."""
    variables = {
        "HEARTH_LOG_LEVEL": "warning",
        "HEARTH_ZYGOTE_AFTER": WAYS[way],
        "HEARTH_IDLE_TIMEOUT": "0.3",
    }
    found, phases = [], []
    with LiveServer(data, tls=False, variables=variables) as server:
        asked = Hearth(server)
        for _ in range(times + _FIRST):
            figures, instance = uvloop.run(asked.boot(version))
            if instance["forked"] == (way == "forked"):
                found.append(figures)
                phases.append({lap["phase"]: lap["seconds"] * 1000 for lap in instance["phases"]})
                if len(found) == times:
                    break
    return _medians(found), _medians(phases)


def _medians(found: list[Figures]) -> Figures:
    return {name: statistics.median(figures[name] for figures in found) for name in (found[0] if found else ())}


def _has_torch() -> bool:
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    return any(any(Path(folder).glob("torch-*.whl")) for folder in folders)


def measure(models: list[str], times: int) -> dict[str, dict[str, Figures]]:
    """By model, then by way; the phases of a boot under `… phases`."""
    found: dict[str, dict[str, Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder:
        data = Path(folder) / "data"
        for model in models:
            console.print(f"pushing {model}")
            with LiveServer(data, tls=False, variables={"HEARTH_LOG_LEVEL": "warning"}) as server:
                pushed = server.hearth(
                    "push", str(HERE / "models" / model), f"admin/{model}", "--create", "--json", timeout=1200
                )
                version = json.loads(pushed.stdout)["version"]
            environments = sorted((data / "environments" / "envs").iterdir(), key=lambda path: path.stat().st_ctime)
            console.print(f"{model}: bare coglet")
            ways = found[model] = {"bare": bare(model, environments[-1] / "bin" / "python", times)}
            for way in WAYS:
                console.print(f"{model}: Hearth, {way}")
                figures, phases = hearth(data, version, way, times)
                if figures:
                    ways[way], ways[f"{way} phases"] = figures, phases
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench boots", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three boots of each kind: a look, not a result")
    parser.add_argument("--torch", action="store_true", help="with torch, wherever it has to come from")
    options = parser.parse_args(arguments)
    models = ["noop", *(["gpt2"] if options.torch or _has_torch() else [])]
    found = measure(models, 3 if options.quick else 9)
    for model, ways in found.items():
        known = [way for way in ("bare", *WAYS) if way in ways]
        table = Table(model, *known, box=None, pad_edge=False)
        for name in ("until READY", "first answer", "own memory"):
            unit = "MB" if name == "own memory" else "ms"
            table.add_row(name, *(f"{ways[way][name]:.0f} {unit}" for way in known))
        for phase in ways.get("started phases", {}):
            table.add_row(f"  {phase}", *(
                f"{ways[f'{way} phases'][phase]:.0f} ms" if f"{way} phases" in ways else "" for way in known
            ))  # fmt: skip
        console.print(table)
    if not options.quick:
        path = results.write("boots", {"models": found})
        console.print(f"written to {path.relative_to(HERE.parent)}")
    return 0
