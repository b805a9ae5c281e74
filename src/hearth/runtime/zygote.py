"""One zygote, seen from the server: an interpreter of an environment that forks instances (`cog/zygote.py`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hearth.cog.build import Environment
from hearth.runtime import processes
from hearth.runtime.group import ALIVE, Group, Pipes
from hearth.runtime.printed import Origin

log = logging.getLogger(__name__)

SCRIPT = Path(__file__).parents[1] / "cog" / "zygote.py"
SHIM = """#!/bin/sh
# coglet starts its worker as `python`: the worker that waits at descriptor 9 takes the pipes at 3 and 4 from here, and
# where none waits, a real python is started.
PATH=${PATH#*:}
export PATH
exec 3<&0 4>&1
trap '' PIPE
if { echo $$ >&9; } 2>/dev/null && read -r answer <&9; then exit 0; fi
trap - PIPE
exec python "$@" 3<&- 4>&- 9>&-
"""
FORK_PATIENCE = 5.0
"""Seconds that a zygote may take to fork; it takes about twenty milliseconds."""
PRELOAD_PATIENCE = 300.0
"""Seconds that its imports may take."""
_LENGTH = struct.Struct("!I")


class Refused(Exception):
    """It forks nothing for this instance; the message says why, as a part of a sentence."""

    def __init__(self, message: str, *, broken: bool = False) -> None:
        """`broken`: it will not fork anything for anybody."""
        self.broken = broken
        super().__init__(message)


class Unfit(Exception):
    """What it was to import must not be forked: `module` is the library, the message says why."""

    def __init__(self, module: str, because: str) -> None:
        self.module = module
        super().__init__(because)


class Forked:
    """The leader of an instance's group, a child of the zygote."""

    def __init__(self, pid: int, zygote: Zygote) -> None:
        self.pid = pid
        self._zygote = zygote

    def wait(self) -> None:
        """The zygote reaps it; one that is gone has left that to the system."""
        self._zygote.reap(self.pid)


class Zygote:
    """Made by `start`; `fork` instances until `ended` resolves; `end` it in any case."""

    def __init__(self, id: str, group: Group, control: socket.socket) -> None:
        self.id = id
        self.pid = group.pid
        self.ended = group.exited
        self._group = group
        self._control = control
        self._turn = asyncio.Lock()

    @classmethod
    async def start(
        cls,
        id: str,
        environment: Environment,
        *,
        variables: Mapping[str, str],
        folder: Path,
        modules: Path,
        but: Collection[str],
    ) -> Zygote:
        """Imports the `modules` named in that file, without those packages in `but`, and is ready to fork then.

        Raises Unfit, and Refused if it dies or takes too long. Cancelling ends it.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                group = Group.start(
                    [str(environment.python), str(SCRIPT)],
                    environment={**variables, "HEARTH_ZYGOTE_FD": str(theirs.fileno())},
                    folder=folder,
                    marker=None,
                    on_line=_heard,
                    pass_fds=(theirs.fileno(),),
                )
        except BaseException:
            ours.close()
            raise
        zygote = cls(id, group, ours)
        try:
            answer = await zygote._ask({"modules": str(modules), "but": list(but)}, (), PRELOAD_PATIENCE)
            if "unfit" in answer:
                raise Unfit(answer["unfit"], answer["because"])
        except BaseException:
            await zygote.end()
            raise
        return zygote

    async def fork(
        self,
        pipes: Pipes,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        shim: Path,
        markers: Mapping[str, str],
    ) -> Forked:
        """Starts an instance: `command` in a session of its own, and a worker for it, which the script `python` in
        `shim` finds. `markers`: the variables by which its processes are known. Raises Refused."""
        request = {
            "argv": list(command),
            "env": dict(environment),
            "cwd": str(folder),
            "shim": str(shim),
            "alive": ALIVE,
            "markers": dict(markers),
        }
        async with self._turn:
            answer = await self._ask({"start": request}, (pipes.input, pipes.output, pipes.alive), FORK_PATIENCE)
        if "leader" not in answer:
            if "refused" not in answer:
                raise Refused("the zygote gave an answer that makes no sense", broken=True)
            raise Refused(str(answer["refused"]))
        return Forked(int(answer["leader"]), self)

    def reap(self, pid: int) -> None:
        with contextlib.suppress(OSError):  # it is gone, or so busy that the next one tells it
            self._control.send(_framed({"reap": pid}))

    def memory(self) -> int:
        """Bytes, resident, with all that its copies share."""
        process = processes.find(self.pid)
        return process.memory if process is not None and process.alive else 0

    async def end(self) -> None:
        """Nothing of it is left afterwards; what it has forked lives on."""
        self._control.close()
        await self._group.end()

    async def _ask(self, message: dict[str, Any], fds: Sequence[int], patience: float) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        content = _framed(message)
        try:
            async with asyncio.timeout(patience):
                if fds:
                    sent = socket.send_fds(self._control, [content[: _LENGTH.size]], fds)
                    content = content[sent:]
                await loop.sock_sendall(self._control, content)
                size = _LENGTH.unpack(await self._exactly(_LENGTH.size))[0]
                answer = json.loads(await self._exactly(size))
        except TimeoutError:
            raise Refused(f"the zygote did not answer for {patience:g} seconds", broken=True) from None
        except (OSError, ValueError) as error:
            raise Refused(f"the zygote is gone ({error})", broken=True) from error
        if not isinstance(answer, dict):
            raise Refused("the zygote gave an answer that makes no sense", broken=True)
        return answer

    async def _exactly(self, count: int) -> bytes:
        loop = asyncio.get_running_loop()
        found = b""
        while len(found) < count:
            piece = await loop.sock_recv(self._control, count - len(found))
            if not piece:
                raise ConnectionResetError("it closed the connection")
            found += piece
        return found


def write_shim(folder: Path) -> None:
    """The script `python`, for a folder of its own that is first on PATH."""
    folder.mkdir(exist_ok=True)
    script = folder / "python"
    script.write_text(SHIM)
    script.chmod(0o755)


def available() -> bool:
    """Whether this system has what it takes: /proc, and descriptors sent over a socket."""
    return sys.platform == "linux" and os.path.exists("/proc/self/task")


def _framed(message: dict[str, Any]) -> bytes:
    content = json.dumps(message).encode()  # not msgspec: variables may hold what is not UTF-8
    return _LENGTH.pack(len(content)) + content


def _heard(origin: Origin, text: str) -> None:
    log.debug("a zygote said: %s", text.rstrip(), extra={"action": "zygote_said", "origin": origin.value})
