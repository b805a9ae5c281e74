"""A run of chaos from the first push to the last check."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hearth.runtime import processes
from hearth.runtime.owner import Owner
from hearth.testing.chaos.load import Load
from hearth.testing.chaos.models import SICK, push_all
from hearth.testing.chaos.trouble import SmallDisk, Trouble
from hearth.testing.live import LiveServer
from hearth.testing.webhooks import WebhookCatcher

DISK = 768 * 1024**2
TERMINAL = ("succeeded", "failed", "canceled")
SETTINGS = {
    "HEARTH_CANCEL_GRACE": "1",
    "HEARTH_IDLE_TIMEOUT": "3",
    "HEARTH_DRAIN_TIMEOUT": "2",
    "HEARTH_MAX_INSTANCES": "5",
    "HEARTH_MAX_INSTANCES_PER_VERSION": "2",
}
GROWTH = 24 * 1024**2
"""Bytes by which a server's memory may grow from the second quarter of the calm to its last, and be called flat:
SQLite's page caches (8 MB for each of three connections) fill as the database grows."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    seed: int
    seconds: float
    trouble: dict[str, int]
    promised: int
    """Predictions that were acknowledged."""
    statuses: dict[str, dict[str, int]]
    """How they ended, by model."""
    refused: dict[int, int]
    """Answers that were no acknowledgement, by status."""
    open: list[str]
    """Those that never ended."""
    untold: list[str]
    """Those whose webhook never came."""
    wrong: list[str]
    """Those that ended otherwise than their model can."""
    processes: int
    """Left over at the end."""
    files: list[str]
    """Left over at the end."""
    memory: list[int]
    """Of the server, bytes resident, sampled evenly over the calm part, in which nothing restarts it."""
    intact: bool
    """What SQLite says of the database."""

    @property
    def growth(self) -> int:
        """Bytes, from the second quarter of the samples to the last."""
        quarter = len(self.memory) // 4
        if not quarter:
            return 0
        second, last = self.memory[quarter : 2 * quarter], self.memory[-quarter:]
        return sum(last) // quarter - sum(second) // quarter

    @property
    def faults(self) -> list[str]:
        """What should not be, in sentences; empty when all is well."""
        found = {
            f"{len(self.open)} predictions never ended: {self.open[:3]}": self.open,
            f"{len(self.untold)} webhooks never came: {self.untold[:3]}": self.untold,
            f"callers were refused: {self.refused}": [s for s in self.refused if s not in (429, 503)],
            f"{len(self.wrong)} ended as they must not: {self.wrong[:3]}": self.wrong,
            f"{self.processes} processes are left": self.processes,
            f"{len(self.files)} files are left: {self.files[:5]}": self.files,
            f"memory grew by {self.growth / 1e6:.0f} MB": self.growth > GROWTH,
            "the database is damaged": not self.intact,
        }
        return [sentence for sentence, bad in found.items() if bad]


class Chaos:
    def __init__(self, folder: Path, seed: int) -> None:
        self._seed, self._choose = seed, random.Random(seed)
        self._disk = SmallDisk(folder / "disk", DISK)
        self._scratch, self._sick = folder / "models", folder / "sick"
        settings = {**SETTINGS, "HEARTH_MODEL_ENVIRONMENT": json.dumps({SICK: str(self._sick)})}
        self.server = LiveServer(self._disk.folder / "data", tls=False, variables=settings)

    def run(self, seconds: float, calm: float, say: Any = lambda text: None) -> Report:
        """`seconds` of all trouble, then `calm` seconds in which the server itself is left alone and its memory
        watched, then everything is healed, and what is owed is waited for."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._disk.close)
            stack.enter_context(self.server)
            hooks = stack.enter_context(_hooks())
            http = stack.enter_context(_client(self.server))
            versions = push_all(self.server.data, self._scratch)
            say(f"{len(versions)} models are pushed")
            trouble = Trouble(self.server, http, self._disk, self._sick, self._choose)
            with Load(http, versions, hooks.url, self._choose) as load:
                self._trouble(trouble, seconds)
                say(f"{len(load.promised)} promised, trouble so far: {dict(trouble.made)}")
                trouble.spare_server()
                memory = self._trouble(trouble, calm, samples=40)
            trouble.heal()
            say(f"{len(load.promised)} promised, healed; waiting for what is owed")
            ended = _ended(http, load.promised)
            untold = _untold(hooks, load.promised)
            leftover = self._stopped()
            return Report(
                seed=self._seed,
                seconds=seconds + calm,
                trouble=dict(trouble.made),
                promised=len(load.promised),
                statuses=_counted(load.promised, ended),
                refused=dict(load.refused),
                open=[id for id in load.promised if id not in ended],
                untold=untold,
                wrong=[text for id, text in _judged(load, ended)],
                processes=leftover,
                files=_files(self.server.data),
                memory=memory,
                intact=_intact(self.server.data),
            )

    def _trouble(self, trouble: Trouble, seconds: float, samples: int = 0) -> list[int]:
        """Make trouble for so long; the server's memory, so many times."""
        memory: list[int] = []
        began = time.monotonic()
        due = began
        while (now := time.monotonic()) < began + seconds:
            if samples and now >= began + len(memory) * seconds / samples:
                process = processes.find(self.server.pid)
                memory.append(process.memory if process is not None else 0)
            if now >= due:
                trouble.make()
                due = time.monotonic() + self._choose.uniform(0.2, 1.0)
            time.sleep(0.02)
        return memory

    def _stopped(self) -> int:
        """Stop the server; how many processes of its instances are left."""
        self.server.stop()
        return len(processes.marked(f"HEARTH_SERVER={Owner.of(self.server.data / 'run').server}"))


@contextlib.contextmanager
def _hooks() -> Iterator[WebhookCatcher]:
    """A webhook catcher on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="webhooks")
    thread.start()
    catcher = WebhookCatcher()
    try:
        asyncio.run_coroutine_threadsafe(catcher.__aenter__(), loop).result()
        yield catcher
        asyncio.run_coroutine_threadsafe(catcher.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _client(server: LiveServer) -> httpx.Client:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.Client(base_url=server.url + "/v1/", headers=headers, timeout=30, trust_env=False)


def _ended(http: httpx.Client, promised: dict[str, str], patience: float = 60.0) -> dict[str, Any]:
    """The predictions that have ended, once all have, or none more in `patience` seconds: what crashes its instances
    leaves a long line behind."""
    ended: dict[str, Any] = {}
    until = time.monotonic() + patience
    while promised.keys() - ended.keys() and time.monotonic() < until:
        before, url = len(ended), "predictions"
        while url:
            page = http.get(url).raise_for_status().json()
            ended.update((p["id"], p) for p in page["results"] if p["status"] in TERMINAL)
            url = page["next"]
        if len(ended) > before:
            until = time.monotonic() + patience
        time.sleep(0.5)
    return {id: http.get(f"predictions/{id}").raise_for_status().json() for id in promised if id in ended}


def _untold(hooks: WebhookCatcher, promised: dict[str, str], timeout: float = 90.0) -> list[str]:
    """Whose webhook has not come when all have had time."""
    until = time.monotonic() + timeout
    while True:
        told = {json.loads(caught.body)["id"] for caught in list(hooks.caught)}
        missing = [id for id in promised if id not in told]
        if not missing or time.monotonic() > until:
            return missing
        time.sleep(0.2)


def _counted(promised: dict[str, str], ended: dict[str, Any]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for id, name in promised.items():
        counts.setdefault(name, Counter())[ended[id]["status"] if id in ended else "open"] += 1
    return {name: dict(count) for name, count in sorted(counts.items())}


def _judged(load: Load, ended: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Ends that their models cannot have had."""
    for id, prediction in ended.items():
        key, name = load.keys[id], load.promised[id]
        if prediction["status"] == "succeeded":
            expected = [f"{key} {n}\n" for n in range(8)] if name == "stream" else key
            if name == "hang" or prediction["output"] != expected:
                yield id, f"{name} {id} succeeded with {prediction['output']!r}"
        elif prediction["status"] == "failed" and not prediction["error"]:
            yield id, f"{name} {id} failed without a word"


def _files(data: Path) -> list[str]:
    """What runs and their inputs left on disk."""
    left = [path for folder in ("run", "inputs") for path in (data / folder).rglob("*") if path.is_file()]
    return [str(path.relative_to(data)) for path in left if path.name != "owner"]


def _intact(data: Path) -> bool:
    with contextlib.closing(sqlite3.connect(data / "hearth.db")) as database:
        return bool(database.execute("pragma integrity_check").fetchall() == [("ok",)])
