"""`python -m bench language [--quick]`: a language model through Hearth, beside its engine alone.

The same package, environment, prompts and parameters; answers of different lengths, so that those who run together do
not begin together. Alone, the engine is called in a process of its own; through Hearth, predictions are created over
HTTP and their streams read. Tokens a second over all, and the median time to the first token. The targets: 0.95 of the
engine's rate, and at most 5 ms more until the first token.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench import results
from bench.http import Connection
from bench.language_bare import length
from hearth.cog import config
from hearth.testing.live import LiveServer

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "models" / "language" / "tiny"
PROMPT, TOKENS = "Use the word river in a sentence.", 128
"""Tokens of an answer, on average: what the first Llama packages answer with unless told otherwise."""
ROUNDS, EACH = {1: 40, 4: 20, 16: 14}, 4
"""How many rounds for so many at a time, and answers a round for each of those. The two sides take turns, and turns at
being first: the speed of a machine may change by the second. And rounds are long enough for the beginning, when all
prompts come at once, to be the exception."""
RATE, FIRST = 0.95, 0.005
console = Console(highlight=False)
Figures = dict[str, float]


class Bare:
    """The engine in a process of its own, with the variables of its cog.yaml. A context manager."""

    def __init__(self, python: Path) -> None:
        command = [str(python), str(Path(__file__).with_name("language_bare.py")), str(PACKAGE), str(TOKENS), PROMPT]
        environment = {**os.environ, **config.load(PACKAGE).environment}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Bare:
        while self._line() != "ready\n":
            pass
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def round(self, concurrency: int, count: int) -> Figures:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([concurrency, count]) + "\n")
        self._process.stdin.flush()
        found: Figures = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the bare engine ended"
        return line


async def through(server: LiveServer, version: str, concurrency: int, count: int) -> Figures:
    headers, url = {"Authorization": f"Bearer {server.token}"}, server.url
    firsts: list[float] = []
    left = list(range(count))
    tokens = sum(length(seed, TOKENS) for seed in left)

    async def work() -> None:
        connection = Connection(url)
        while left:
            seed = left.pop()
            most = length(seed, TOKENS)
            asked = {"prompt": PROMPT, "seed": seed, "max_tokens": most, "min_tokens": most}
            asked |= {"temperature": 0.7, "top_p": 1.0, "top_k": 0}
            began = time.time()
            status, answer = await connection.request(
                "POST", "/v1/predictions", {"version": version, "input": asked, "stream": True}, headers
            )
            assert status == 201, answer
            path = json.loads(answer)["urls"]["stream"].removeprefix(url)
            seen = await Connection(url).events(path, {})
            firsts.append(next(at for at, line in seen if line.startswith(b"event: output")) - began)
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return {"rate": tokens / (time.perf_counter() - began), "first": statistics.median(firsts)}


def main(arguments: list[str]) -> int:
    rows = []
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder:
        server = LiveServer(Path(folder) / "data", tls=False, variables={"HEARTH_LOG_LEVEL": "warning"})
        with server:
            console.print("pushing the model")
            done = server.hearth("push", str(PACKAGE), "admin/kindling", "--create", "--json")
            version = json.loads(done.stdout)["version"]
            python = next((server.data / "environments" / "envs").glob("*/bin/python"))
            uvloop.run(through(server, version, 1, 2))
            with Bare(python) as bare:
                for concurrency, rounds in ROUNDS.items():
                    console.print(f"{concurrency} at a time")
                    pairs = []
                    for number in range(2 if "--quick" in arguments else rounds):
                        count = EACH * concurrency
                        first = bare.round(concurrency, count) if number % 2 else None
                        ours = uvloop.run(through(server, version, concurrency, count))
                        pairs.append((first or bare.round(concurrency, count), ours))
                    rows.append(_row(concurrency, pairs))
    _show(rows)
    if "--quick" not in arguments:
        console.print(f"written to {results.write('language', {'rows': rows}).relative_to(ROOT)}")
    return sum(row["rate"] < RATE or row["first_more_ms"] > FIRST * 1000 for row in rows if row["at_a_time"] != 4)


def _row(concurrency: int, pairs: list[tuple[Figures, Figures]]) -> dict[str, Any]:
    def median(key: str, side: int) -> float:
        return statistics.median(pair[side][key] for pair in pairs)

    return {
        "at_a_time": concurrency,
        "bare_tokens_per_second": median("rate", 0),
        "hearth_tokens_per_second": median("rate", 1),
        "rate": statistics.median(ours["rate"] / bare["rate"] for bare, ours in pairs),
        "bare_first_ms": median("first", 0) * 1000,
        "hearth_first_ms": median("first", 1) * 1000,
        "first_more_ms": statistics.median(ours["first"] - bare["first"] for bare, ours in pairs) * 1000,
    }


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("at a time", "bare tokens/s", "Hearth", "ratio", "bare first", "Hearth", "more", box=None)
    for row in rows:
        bare, ours = f"{row['bare_tokens_per_second']:.0f}", f"{row['hearth_tokens_per_second']:.0f}"
        firsts = [f"{row[key]:.1f} ms" for key in ("bare_first_ms", "hearth_first_ms", "first_more_ms")]
        table.add_row(str(row["at_a_time"]), bare, ours, f"{row['rate']:.2f}", *firsts)
    console.print(table)
