"""A live server with little memory and a dozen models that take some: what `bench.packing` simulates, for real.

It is small, so that it says one thing only: that the simulation tells the truth about the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx
import msgspec

from hearth.cli.push import push
from hearth.testing.live import LiveServer

MB = 10**6
CODE = Path(__file__).parents[1] / "tests" / "models" / "hungry" / "predict.py"
MEMORY = 700 * MB
MODELS = 12
RATE = 1.5
"""Requests a second."""


class Model(msgspec.Struct, frozen=True):
    name: str
    memory: int
    """As the server measured it."""
    boot: float


class Request(msgspec.Struct, frozen=True):
    at: float
    model: str
    run: float
    wait: float
    """From its creation to its start."""
    booted: bool


class Trace(msgspec.Struct, frozen=True):
    memory: int
    models: list[Model]
    requests: list[Request]


def run(number: int) -> Trace:
    """Some requests by Zipf's law, as they came and were served."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {"HEARTH_MEMORY": str(MEMORY), "HEARTH_UNKNOWN_MEMORY": str(100 * MB)}
        with LiveServer(Path(folder) / "data", tls=False, variables=variables) as server:
            names = [_push(server, Path(folder), index) for index in range(MODELS)]
            return asyncio.run(_drive(server, names, number))


def summary(trace: Trace) -> dict[str, float]:
    waits = sorted(request.wait for request in trace.requests)
    boots = {model.name: model.boot for model in trace.models}
    # Who came while it booted for somebody else waited for a boot as well.
    met = [not request.booted and request.wait < boots[request.model] / 2 for request in trace.requests]
    return {
        "hits": sum(met) / len(waits),
        "p50": waits[len(waits) // 2],
        "p99": waits[int(len(waits) * 0.99)],
        "mean": statistics.fmean(waits),
    }


def _push(server: LiveServer, scratch: Path, index: int) -> str:
    rng = random.Random(index)
    folder = scratch / f"hungry-{index}"
    folder.mkdir()
    variables = [f"KEPT_MB={rng.choice([10, 40, 100, 200])}", f"SETUP_SECONDS={rng.choice([0, 0.5, 3])}"]
    folder.joinpath("cog.yaml").write_text(
        f'build:\n  python_version: "3.11"\nrun: "predict.py:Predictor"\nenvironment: {variables}\n'
    )
    folder.joinpath("predict.py").write_text(CODE.read_text())
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        push(folder, f"admin/hungry-{index}", create=True, public=True, json=True, data=server.data)
    return f"admin/hungry-{index}"


async def _drive(server: LiveServer, names: list[str], number: int) -> Trace:
    rng = random.Random(7)
    weights = [1 / (rank + 1) for rank in range(len(names))]
    head = {"Authorization": f"Bearer {server.token}", "Prefer": "wait=60"}
    known: dict[str, Model] = {}
    begun = time.time()
    async with httpx.AsyncClient(base_url=server.url + "/v1/", headers=head, timeout=120) as client:

        async def one(name: str, seconds: float) -> Request:
            body = {"input": {"seconds": seconds}}
            made = (await client.post(f"models/{name}/predictions", json=body)).json()
            kinds = (await client.get(f"predictions/{made['id']}/events")).json()["results"]
            moments = {event["kind"]: _seconds(event["at"]) for event in reversed(kinds)}
            created, started = moments["queued"], moments["started"]
            return Request(created - begun, name, seconds, started - created, "booting" in moments)

        tasks = []
        for name in rng.choices(names, weights, k=number):
            await asyncio.sleep(rng.expovariate(RATE))
            tasks.append(asyncio.create_task(one(name, rng.uniform(0.02, 0.3))))
            for shown in (await client.get("admin/instances")).json()["results"]:
                if shown["boot_seconds"] is not None:
                    known[shown["model"]] = Model(shown["model"], shown["reserved"], shown["boot_seconds"])
        served = await asyncio.gather(*tasks)
    return Trace(MEMORY, list(known.values()), [r for r in served if r.model in known])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
