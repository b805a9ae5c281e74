"""Which environments have a zygote: those whose imports took long, as soon as the machine has time for it.

What a first boot imported, and how long it took, is kept beside the environment; from then on a boot that takes long
again makes a zygote, or a new one if it brought libraries that the old one lacks. One zygote serves the models that
would have been started with the same variables. It ends after a time without use, or when memory is short, and
whatever goes wrong with it, instances are started as if there were none.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from hearth.cog.build import Environment
from hearth.runtime import base, memory
from hearth.runtime.activity import Activity
from hearth.runtime.zygote import Refused, Unfit, Zygote, available

log = logging.getLogger(__name__)

IMPORTS = "hearth-imports.json"
"""In the environment's folder."""
ATTEMPTS = 5
"""Zygotes in a row that may fail; each attempt leaves out one library more."""
SHORT = 0.1
"""Of all memory: with less available no zygote is made, and idle ones end."""
ALL = "*"
"""Stands for a library that nobody could name."""
_OWN = re.compile(r"(HEARTH_|COG_)|(PORT|TMPDIR|CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES)$")
"""Variables that each instance has for itself."""
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|KEY", re.IGNORECASE)
"""Names of variables that are given to instances only, even if all instances have them."""


class Imports(msgspec.Struct, frozen=True):
    """What a model's process had imported when its setup was over. The wrapper writes it."""

    seconds: float
    """Of importing; the longest seen."""
    modules: tuple[str, ...]
    """In the order in which their imports began."""
    unfit: dict[str, str] = {}
    """Libraries that must not be in a zygote, and why."""

    def merged(self, other: Imports) -> Imports:
        known = set(self.modules)
        return Imports(
            max(self.seconds, other.seconds),
            (*self.modules, *(name for name in other.modules if name not in known)),
            {**self.unfit, **other.unfit},
        )


class _Kept:
    """A zygote, its environment and how it is used."""

    def __init__(self, zygote: Zygote, environment: Environment, folder: Path) -> None:
        self.zygote, self.environment, self.folder = zygote, environment, folder
        self.forks = 0
        self.used = time.monotonic()
        self.timer: asyncio.TimerHandle | None = None


class Zygotes:
    """Kept in `folder`, private to this run of the server. `threshold`: seconds of processor time of importing from
    which on they are worth it; 0: never. `idle`: seconds without use after which one ends. `markers`: variables of
    each process."""

    def __init__(
        self, folder: Path, *, markers: Mapping[str, str], threshold: float, idle: float, activity: Activity
    ) -> None:
        self._folder, self._markers = folder, dict(markers)
        self.threshold = threshold if available() else 0.0
        self._idle, self._activity = idle, activity
        self._kept: dict[str, _Kept] = {}
        self._wanted: dict[str, tuple[Environment, dict[str, str]]] = {}
        self._failed: dict[str, int] = {}
        self._making: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        activity.on_change(self._look)

    # For a boot

    def find(self, environment: Environment, variables: Mapping[str, str]) -> Zygote | None:
        """The one to fork this instance from, if there is one. `variables`: as `shared` gives them."""
        if not self._kept:
            return None
        key = _key(environment, variables)
        if _short_of_memory():
            for other in [k for k in self._kept if k != key]:
                self._end(other, "memory is short")
        kept = self._kept.get(key)
        return None if kept is None or kept.zygote.ended.done() else kept.zygote

    def why_not(self, environment: Environment) -> str:
        """Why this environment's instances are started and not forked, if a library is to blame; else empty."""
        if not self.threshold:
            return ""
        known = self._imports(environment)
        if known is None or not known.unfit or known.seconds < self.threshold:
            return ""
        name, because = next(iter(known.unfit.items()))
        return f"{'everything' if name == ALL else name} is imported anew: {because}"

    def used(self, zygote: Zygote) -> None:
        """It has forked an instance."""
        for kept in self._kept.values():
            if kept.zygote is zygote:
                kept.used = time.monotonic()
                kept.forks += 1

    def broken(self, zygote: Zygote, error: Refused) -> None:
        """It failed to answer: it ends, and the next long boot makes another."""
        for key in [key for key, kept in self._kept.items() if kept.zygote is zygote]:
            self._fail(key, str(error))
            self._end(key, str(error))

    def learn(self, environment: Environment, variables: Mapping[str, str], report: Path) -> None:
        """After a boot. `report` is there if its imports took long: then a zygote is worth it. Blocks for the time
        of reading and writing two small files."""
        try:
            said = msgspec.json.decode(report.read_bytes(), type=Imports)
        except FileNotFoundError:
            return
        except msgspec.DecodeError as error:  # the model's process can write there what it likes
            log.warning("what a model says it imported can't be read: %s", error, extra={"action": "imports_unread"})
            return
        found = Imports(said.seconds, said.modules)
        known = self._imports(environment)
        merged = found if known is None else known.merged(found)
        key = _key(environment, variables)
        grown = known is None or len(merged.modules) > len(known.modules)
        if grown:
            self._write(environment, merged)
        if not grown and key in self._kept:
            return
        if self._failed.get(key, 0) < ATTEMPTS and ALL not in merged.unfit:
            self._wanted[key] = (environment, dict(variables))
            self._look()

    # For those who need the memory

    def list(self) -> Sequence[base.Zygote]:
        now = time.monotonic()
        return [
            base.Zygote(
                id=kept.zygote.id,
                environment=kept.environment.key,
                pid=kept.zygote.pid,
                memory=kept.zygote.memory(),
                forks=kept.forks,
                idle=now - kept.used,
            )
            for kept in self._kept.values()
        ]

    async def settled(self) -> None:
        """Once none is being made."""
        while self._making is not None:
            await asyncio.wait([self._making])

    async def end(self, id: str, because: str = "its memory is needed") -> None:
        for key in [key for key, kept in self._kept.items() if kept.zygote.id == id]:
            await self._end(key, because)

    async def close(self) -> None:
        self._closed = True
        self._wanted.clear()
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])
        for key in list(self._kept):
            self._end(key, "the server is stopping")
        if self._ending:
            await asyncio.wait(self._ending)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    # Making and ending

    def _look(self) -> None:
        """Makes the next one that is wanted, if the machine has time for it."""
        if self._wanted and self._making is None and not self._closed and self._activity.spare():
            key = next(iter(self._wanted))
            environment, variables = self._wanted.pop(key)
            self._making = asyncio.ensure_future(self._make(key, environment, variables))
            self._making.add_done_callback(self._made)

    def _made(self, making: asyncio.Task[None]) -> None:
        self._making = None
        if not making.cancelled() and (error := making.exception()) is not None:
            log.error("a zygote could not be made", exc_info=error, extra={"action": "zygote_failed"})
        self._look()

    async def _make(self, key: str, environment: Environment, variables: dict[str, str]) -> None:
        known = self._imports(environment)
        if known is None or _short_of_memory():
            return
        if key in self._kept:
            await self._end(key, "a model brought libraries that it lacks")
        id = f"zygote-{secrets.token_hex(6)}"
        folder = self._folder / id
        folder.mkdir(mode=0o700, parents=True)
        began = time.monotonic()
        try:
            zygote = await Zygote.start(
                id,
                environment,
                variables={**variables, **self._markers, "TMPDIR": str(folder)},
                folder=folder,
                modules=environment.path / IMPORTS,
                but=tuple(known.unfit),
            )
        except BaseException as error:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            if isinstance(error, Unfit):
                self._unfit(key, environment, variables, error)
            elif isinstance(error, Refused):
                self._fail(key, str(error))
            else:
                raise
            return
        self._failed.pop(key, None)
        kept = self._kept[key] = _Kept(zygote, environment, folder)
        zygote.ended.add_done_callback(lambda _: self._died(key, kept))
        self._arm(key, kept)
        log.info(
            "a zygote of environment %s is ready after %.1f s: %d modules, %d MB",
            environment.key[:12], time.monotonic() - began, len(known.modules), zygote.memory() // 2**20,
            extra={"action": "zygote_ready", "environment": environment.key, "zygote": id},
        )  # fmt: skip

    def _unfit(self, key: str, environment: Environment, variables: dict[str, str], error: Unfit) -> None:
        """The next one goes without that library, and without what needs it."""
        log.warning(
            "environment %s: %s stays out of the zygote: %s", environment.key[:12], error.module, error,
            extra={"action": "zygote_unfit", "environment": environment.key},
        )  # fmt: skip
        known = self._imports(environment)
        if known is not None:
            self._write(environment, known.merged(Imports(0.0, (), {error.module: str(error)})))
        self._failed[key] = self._failed.get(key, 0) + 1
        if self._failed[key] < ATTEMPTS and error.module != ALL:
            self._wanted[key] = (environment, variables)

    def _fail(self, key: str, because: str) -> None:
        self._failed[key] = self._failed.get(key, 0) + 1
        log.warning("a zygote failed: %s", because, extra={"action": "zygote_failed"})

    def _died(self, key: str, kept: _Kept) -> None:
        """By itself, or because it was ended: in any case nothing of it is left."""
        if self._kept.get(key) is kept:
            self._fail(key, "it ended by itself")
            self._end(key, "it ended by itself")

    def _arm(self, key: str, kept: _Kept) -> None:
        """One timer for each, not one for each use."""
        wait = kept.used + self._idle - time.monotonic()
        if wait <= 0:
            self._end(key, f"no boot has needed it for {self._idle:g} s")
        else:
            kept.timer = asyncio.get_running_loop().call_later(wait, self._arm, key, kept)

    def _end(self, key: str, because: str) -> asyncio.Task[None]:
        kept = self._kept.pop(key)
        if kept.timer is not None:
            kept.timer.cancel()
        log.info(
            "the zygote of environment %s ends: %s", kept.environment.key[:12], because,
            extra={"action": "zygote_ends", "environment": kept.environment.key, "zygote": kept.zygote.id},
        )  # fmt: skip

        async def end() -> None:
            await kept.zygote.end()
            await asyncio.to_thread(shutil.rmtree, kept.folder, ignore_errors=True)

        task = asyncio.ensure_future(end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _imports(self, environment: Environment) -> Imports | None:
        try:
            return msgspec.json.decode((environment.path / IMPORTS).read_bytes(), type=Imports)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write(self, environment: Environment, imports: Imports) -> None:
        new = environment.path / f".{IMPORTS}.new"
        with contextlib.suppress(OSError):  # a full disk, or the environment is being removed
            new.write_bytes(msgspec.json.encode(imports))
            new.replace(environment.path / IMPORTS)


def shared(variables: Mapping[str, str]) -> dict[str, str]:
    """Of an instance's variables those that a zygote has as well: libraries read some while they are imported."""
    return {name: value for name, value in variables.items() if not _OWN.match(name) and not _SECRET.search(name)}


def _key(environment: Environment, variables: Mapping[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode([environment.key, sorted(variables.items())])).hexdigest()


def _short_of_memory() -> bool:
    there_is, all_of_it = memory.available(), memory.total()
    return there_is is not None and all_of_it is not None and there_is < SHORT * all_of_it
