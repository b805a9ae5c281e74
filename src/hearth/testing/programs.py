"""Code in another interpreter: official clients whose versions exclude each other, and other languages."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any


class ProgramError(Exception):
    """What the code raised over there: `kind` is its type, `status` the HTTP status if it has one."""

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        self.kind, self.message, self.status = kind, message, status
        super().__init__(f"{kind}: {message}")


class Program:
    """A process that runs code and answers in JSON, a line for a line; it is started by the first call.

    It reads `{"code": text, "values": {name: value}}` and writes `{"result": value}`, or `{"error": type,
    "message": text, "status": number or null}`. Use it as a context manager; leaving it ends the process.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, code: str, *, timeout: float = 60.0, **values: Any) -> Any:
        """What `code` returns, given `values` as variables. Raises ProgramError, and TimeoutError."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it is dead: the empty line below says so
                process.stdin.write(json.dumps({"code": code, "values": values}) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
        finally:
            timer.cancel()
            timer.join()
        if not line:
            self.close()
            if late.is_set():
                raise TimeoutError(f"No answer after {timeout:g} s to:\n{code}")
            raise ProgramError("Died", f"The program ended without an answer to:\n{code}")
        answer = json.loads(line)
        if "error" in answer:
            raise ProgramError(answer["error"], answer["message"], answer.get("status"))
        return answer.get("result")

    def close(self) -> None:
        """End the process. The next call starts another one."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.kill()
        process.wait()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._process
