"""One environment for all of these tests, and real coglets around models that each test brings along.

The environment is kept in HEARTH_TEST_CACHE (default ~/.cache/hearth-tests), so only the first run builds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hearth.cog import instance
from hearth.cog.build import Environment, Environments
from hearth.cog.client import Coglet, Completed, Event, Health, Log, Output
from hearth.cog.config import CogConfig
from hearth.cog.schema import ModelDescription, describe
from hearth.errors import InstanceLost


@pytest.fixture(scope="session")
def environments() -> Environments:
    default = Path.home() / ".cache" / "hearth-tests"
    return Environments(Path(os.environ.get("HEARTH_TEST_CACHE", default)), environ=os.environ)


@pytest.fixture(scope="session")
def environment(environments: Environments) -> Environment:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(environments.prepare(CogConfig(), workdir=Path(folder), log=lambda line: None))


class Result:
    """What one prediction brought: its end, and every event before it."""

    def __init__(self, completed: Completed, events: list[Event]) -> None:
        self.completed, self.events = completed, events
        self.output, self.error, self.status = completed.output, completed.error, completed.status
        self.logs = "".join(event.text for event in events if isinstance(event, Log))
        self.chunks = [event.chunk for event in events if isinstance(event, Output)]


class Running:
    """A started instance: its client, its folders and what it wrote on standard error."""

    def __init__(self, coglet: Coglet, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.coglet, self.process, self.folder = coglet, process, folder
        self.out, self.stderr = folder / "out", folder / "stderr"
        self.health: Health | None = None
        self._count = 0

    async def predict(
        self, input: dict[str, Any] | None = None, *, id: str = "", on_event: Callable[[Event], None] | None = None
    ) -> Result:
        events: list[Event] = []

        def see(event: Event) -> None:
            events.append(event)
            if on_event is not None:
                on_event(event)

        self._count += 1
        completed = await self.coglet.predict(id or f"p{self._count}", input or {}, on_event=see)
        return Result(completed, events)

    async def until_setup_ends(self) -> Health:
        while True:
            try:
                health = await self.coglet.health()
            except InstanceLost:
                if self.process.returncode is not None:
                    raise
                health = None
            if health is not None and health.status != "STARTING":
                self.health = health
                return health
            await asyncio.sleep(0.02)

    def messages(self) -> list[str]:
        """What coglet reported on standard error, one message per line."""
        lines = self.stderr.read_text().splitlines()
        return [msgspec.json.decode(line)["fields"]["message"] for line in lines if line.startswith("{")]


class Starter:
    """Writes a model's source, describes it and starts it."""

    def __init__(self, environment: Environment, tmp: Path) -> None:
        self.environment, self.tmp = environment, tmp
        self.logs: list[str] = []
        self._count = 0

    def write(self, source: str) -> Path:
        self._count += 1
        folder = self.tmp / f"model{self._count}"
        folder.mkdir()
        (folder / "predict.py").write_text(textwrap.dedent(source))
        return folder

    async def describe(self, source: str | Path, **config: Any) -> ModelDescription:
        folder = self.write(source) if isinstance(source, str) else source
        config.setdefault("predict", "predict.py")
        return await describe(folder, CogConfig(**config), self.environment, log=self.logs.append)

    @contextlib.asynccontextmanager
    async def __call__(
        self,
        source: str,
        *,
        train: str | None = None,
        alive_fd: int | None = None,
        described: ModelDescription | None = None,
        **options: Any,
    ) -> AsyncIterator[Running]:
        folder = self.write(source)
        if described is None:
            described = await self.describe(folder, **({"train": train, "predict": None} if train else {}))
        instance.write_schema(folder, described.openapi_schema, train=train is not None)
        port = free_port()
        for name in ("tmp", "out", "home"):
            (folder / name).mkdir()
        variables = instance.environment(
            self.environment,
            reference=train or "predict.py",
            train=train is not None,
            port=port,
            tmp=folder / "tmp",
            out=folder / "out",
            home=folder / "home",
            alive_fd=alive_fd,
            **options,
        )
        with (folder / "stderr").open("w") as stderr:
            process = await asyncio.create_subprocess_exec(
                *instance.command(self.environment),
                env=variables,
                cwd=folder,
                stderr=stderr,
                start_new_session=True,
                pass_fds=() if alive_fd is None else (alive_fd,),
            )
        coglet = Coglet("127.0.0.1", port)
        try:
            running = Running(coglet, process, folder)
            await running.until_setup_ends()
            yield running
        finally:
            coglet.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@pytest.fixture
def start(environment: Environment, tmp_path: Path) -> Starter:
    return Starter(environment, tmp_path)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
