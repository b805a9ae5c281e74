"""The runtime's port: instances and builds.

A runtime reports what a model does as `Emission`s, as they happen, in order, from the event loop.
File inputs are handed over as local paths, file outputs come back as local paths; storing them is
the engine's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hearth.domain.boot import BootPhase
from hearth.domain.model import Batching, Recipe

FILE_INPUT = "hearth-in://"
"""Prefix of a string in `Job.input` that stands for a file: an absolute local path follows."""

FILE_OUTPUT = "hearth-out://"
"""Prefix of a string in an output that stands for a file the model made. The runtime guarantees that the
path lies in the instance's own output folder; the engine stores the file and deletes it."""


class Began(msgspec.Struct, frozen=True):
    """The model's run() started."""


class Logged(msgspec.Struct, frozen=True):
    text: str


class Measured(msgspec.Struct, frozen=True):
    name: str
    value: Any
    mode: str = "replace"


class Yielded(msgspec.Struct, frozen=True):
    """One item of an iterator's output."""

    value: Any


Emission = Began | Logged | Measured | Yielded


class Job(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    input: dict[str, Any]
    context: dict[str, str] = {}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. A model's own error is an outcome, not an exception."""

    status: str
    """succeeded, failed or canceled."""
    output: Any = None
    error: str | None = None
    metrics: dict[str, Any] = {}


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to start. `folder` holds the version's source, read-only and shared."""

    id: str
    version_id: str
    model: str
    folder: Path
    recipe: Recipe
    schema: dict[str, Any]
    train: bool = False
    setup_timeout: float = 600.0
    variables: dict[str, str] = {}
    """Operator settings for the model's process (HF_TOKEN, caches)."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    pid: int | None
    memory: int
    """Bytes, all processes of the instance; what they share with others counts in part."""
    peak: int
    """The most since the last look, or since the start; short spikes count where the system counts them."""
    gpu: int = 0
    """Bytes on the fullest of its GPUs."""
    gpu_peak: int = 0


class Instance(Protocol):
    id: str
    slots: int
    setup_logs: str
    forked: bool
    """Its model's process was forked from an interpreter that had imported its libraries."""
    how: str
    """How it was started, as a part of a sentence, if that is worth a word; else empty."""
    lost: asyncio.Future[str]
    """Resolves with a sentence when the instance can serve no more, however that came about."""

    async def run(self, job: Job, emit: Callable[[Emission], None]) -> Outcome:
        """Run one job in a free slot. Raises InstanceLost if the instance died (`started` tells whether
        the model may have begun). Cancelling the awaiting task cancels the job."""
        ...

    async def cancel(self, job_id: str) -> bool:
        """Ask the model to stop; False if the job is not running. `run` then returns `canceled` in its time."""
        ...

    async def check(self) -> str | None:
        """Why it is not fit to serve, as a part of a sentence; None if it is. Asks the model itself: not for a busy
        one, which may answer late."""
        ...

    async def usage(self) -> Usage:
        """A look at what it takes. Not for every prediction: it reads files of each process."""
        ...

    async def stop(self, grace: float) -> None:
        """End it: politely for up to `grace` seconds, then by force. Nothing of it is left afterwards."""
        ...


class Zygote(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter with an environment's libraries imported, which makes boots short. Nothing needs it."""

    id: str
    environment: str
    pid: int
    memory: int
    """Bytes of resident memory; what it has forked shares them."""
    forks: int
    """Instances that it has started."""
    idle: float
    """Seconds since the last of them."""


Tell = Callable[[BootPhase], None]
"""Takes the phase of a boot that begins."""


class Runtime(Protocol):
    async def start(self, spec: InstanceSpec, log: Callable[[str], None], phase: Tell = lambda phase: None) -> Instance:
        """Start and wait until ready. `log` gets setup's lines as they come; `phase` is called as each phase begins
        that is the runtime's. Raises SetupFailed, with the logs. Cancelling the awaiting task ends whatever was
        started."""
        ...

    def zygotes(self) -> Sequence[Zygote]:
        """Those that are running: memory that can be had back at once, at the price of longer boots."""
        ...

    async def end_zygote(self, id: str) -> None:
        """End it, if it is there; a boot that needs it falls back on starting. What it has forked lives on."""
        ...

    async def close(self) -> None:
        """End what serves no instance any more. The instances are the caller's to stop."""
        ...

    async def sweep(self) -> int:
        """End every process that an earlier server left behind; how many there were."""
        ...


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    folder: Path
    """The whole source, as pushed."""


class BuildResult(msgspec.Struct, frozen=True, kw_only=True):
    environment: str
    lock: str
    python_version: str
    cog_version: str
    openapi_schema: dict[str, Any]
    predict: str | None
    train: str | None
    concurrency: int
    is_async: bool
    streaming: bool
    takes_weights: bool
    variables: dict[str, str]
    about: dict[str, Any] = {}
    """What hearth.yaml says of the model: description, links, readme, priority, examples …"""
    batching: Batching | None = None


class Builder(Protocol):
    async def build(self, request: BuildRequest, log: Callable[[str], None]) -> BuildResult:
        """Validate cog.yaml, prepare the environment, make the schema. Raises ConfigInvalid, BuildFailed.
        Cancelling the awaiting task ends whatever was started."""
        ...
