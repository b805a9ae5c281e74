"""A real server in a process of its own, for acceptance tests, the benchmark and the demo.

It can be killed without warning and started again on the same data and port, which is how durability is tested.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from hearth.cli.connection import Connection, find

SCRUBBED = ("HEARTH_", "REPLICATE_")
"""Prefixes of variables that a test's server must not inherit from the shell."""


class ServerDied(Exception):
    """The server ended before it was ready. The message holds what it printed last."""


class LiveServer:
    """`hearth serve` on a folder. Use it as a context manager; leaving it stops the server."""

    def __init__(
        self,
        data: Path,
        *,
        tls: bool = True,
        port: int = 0,
        variables: Mapping[str, str] | None = None,
        echo: Callable[[str], None] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.data = data.absolute()
        self.tls = tls
        self.port = port
        self.output: list[str] = []
        self._variables = dict(variables or {})
        self._echo = echo
        self._python = python
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._printed = threading.Condition()

    @property
    def connection(self) -> Connection:
        return find(self.data)

    @property
    def url(self) -> str:
        return self.connection.url

    @property
    def token(self) -> str:
        return self.connection.token

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def environment(self) -> dict[str, str]:
        """Variables for a program that uses this server: what `hearth env` exports, over the caller's own."""
        result = subprocess.run(
            [self._python, "-m", "hearth.cli", "env", "--json", "--data", str(self.data)],
            env=_clean(os.environ), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return {**_clean(os.environ), **json.loads(result.stdout)}

    def start(self, timeout: float = 60.0) -> LiveServer:
        """Start it and return when it answers. Raises ServerDied."""
        self.output.clear()
        ready = threading.Event()
        command = [self._python, "-m", "hearth.cli", "serve", "--data", str(self.data), "--port", str(self.port)]
        command.append("--tls" if self.tls else "--no-tls")
        self._process = subprocess.Popen(
            command,
            env={**_clean(os.environ), **self._variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process, ready), daemon=True)
        self._reader.start()
        ready.wait(timeout)
        if not any("Hearth is ready" in line for line in self.output):
            self.kill()
            raise ServerDied("The server did not become ready:\n" + "".join(self.output[-40:]))
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def stop(self, timeout: float = 40.0) -> int:
        """SIGTERM, and wait; its exit status."""
        assert self._process is not None, "the server is not running"
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._close()
        return status

    def signal(self, number: int) -> None:
        """Send a signal, and do not wait."""
        assert self._process is not None, "the server is not running"
        self._process.send_signal(number)

    def heard(self, text: str, timeout: float = 30.0) -> None:
        """Wait until it has printed a line with this text. Raises TimeoutError."""
        with self._printed:
            if not self._printed.wait_for(lambda: any(text in line for line in self.output), timeout):
                raise TimeoutError(f"the server did not print {text!r}:\n" + "".join(self.output[-40:]))

    def kill(self) -> None:
        """SIGKILL: no warning, no clean-up."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait()
        self._close()

    def command(self, *arguments: str) -> list[str]:
        """A `hearth` command against this server, for `subprocess`; wants `environment()`."""
        return [self._python, "-m", "hearth.cli", *arguments]

    def hearth(self, *arguments: str, check: bool = True, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run a `hearth` command against this server."""
        return subprocess.run(
            self.command(*arguments),
            env={**_clean(os.environ), "HEARTH_DATA": str(self.data)},
            capture_output=True, text=True, check=check, timeout=timeout,
        )  # fmt: skip

    def __enter__(self) -> LiveServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            self.stop()
        self._close()

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._printed:
                self.output.append(line)
                self._printed.notify_all()
            if self._echo:
                self._echo(line.rstrip("\n"))
            if "Hearth is ready" in line:
                ready.set()
        ready.set()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.join(5)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environ.items() if not k.startswith(SCRUBBED)}
