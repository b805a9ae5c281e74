"""Bare coglet, as Cog starts it, to measure Hearth against: same model, same environment, no platform."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType


class BareCoglet:
    """`python -m cog.server.http` in a model's folder. A context manager; ready when entered."""

    def __init__(self, folder: Path, python: Path, schema: dict[str, object] | None = None) -> None:
        self.folder, self.python = folder, python
        self.schema = schema
        self.boot_seconds = 0.0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> BareCoglet:
        if self.schema is not None:
            (self.folder / ".cog").mkdir(exist_ok=True)
            (self.folder / ".cog" / "openapi_schema.json").write_text(json.dumps(self.schema))
        began = time.perf_counter()
        environment = {
            **os.environ,
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "PORT": str(self.port),
            "COG_PREDICT_TYPE_STUB": "predict.py:Predictor",
            "COG_LOG_LEVEL": "error",
        }
        self._process = subprocess.Popen(
            [str(self.python), "-m", "cog.server.http", "--host", "127.0.0.1"],
            cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/health-check", timeout=5) as answer:
                    if json.load(answer)["status"] == "READY":
                        break
            except (urllib.error.URLError, ConnectionError):
                pass
            if self._process.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError("coglet did not start")
            time.sleep(0.005)
        self.boot_seconds = time.perf_counter() - began
        return self

    @property
    def pid(self) -> int:
        """Of its server."""
        assert self._process is not None
        return self._process.pid

    def memory(self) -> float:
        """Resident megabytes of its server and its worker."""
        assert self._process is not None
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if int(fields[2]) == self._process.pid:
                total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        return total / 2**20

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, 15)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()
