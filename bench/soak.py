"""`python -m bench soak [SECONDS] [--seed N]`: ten minutes of everything going wrong, and what was lost: nothing.

Two thirds of the time the server is killed as well; the last third it is left alone and its memory watched, while
instances and workers go on dying. The report goes to bench/results/.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench import results
from hearth.testing.chaos import Chaos

SECONDS = 600.0
console = Console(highlight=False)


def main(arguments: list[str]) -> int:
    """The number of things that should not be."""
    parser = argparse.ArgumentParser(prog="bench soak", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="to repeat a run that failed")
    chosen = parser.parse_args(arguments)
    console.print(f"{chosen.seconds:.0f} s, seed {chosen.seed}")
    with tempfile.TemporaryDirectory(prefix="hearth-soak-") as folder:
        calm = chosen.seconds / 3
        report = Chaos(Path(folder), chosen.seed).run(chosen.seconds - calm, calm, console.print)
    table = Table("model", "predictions", "succeeded", "failed", "canceled", box=None, pad_edge=False)
    for model, counts in report.statuses.items():
        shown = (str(counts.get(status, 0)) for status in ("succeeded", "failed", "canceled"))
        table.add_row(model, str(sum(counts.values())), *shown)
    console.print(table)
    console.print("trouble: " + ", ".join(f"{count} {name}" for name, count in sorted(report.trouble.items())))
    console.print(f"memory: {report.memory[0] / 1e6:.0f} to {report.memory[-1] / 1e6:.0f} MB")
    for fault in report.faults:
        console.print(f"FAULT: {fault}")
    path = results.write("soak", {**msgspec.to_builtins(report), "faults": report.faults})
    console.print(f"written to bench/results/{path.name}")
    return len(report.faults)
