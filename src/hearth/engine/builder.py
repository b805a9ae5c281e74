"""Pushes become versions: the source is laid out, the builder builds, the version is stored or the build fails.

A build that a stop of the server interrupted runs again at the next start: nothing of it counts before the end.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hearth.bus.base import Bus
from hearth.clock import Clock
from hearth.domain.events import Event, Kind
from hearth.domain.hardware import ANY_GPU
from hearth.domain.model import Build, BuildState, Model, Recipe, SourceFile, Version
from hearth.engine.showcase import Showcase
from hearth.engine.sources import Sources
from hearth.engine.tasks import Tasks
from hearth.errors import BuildFailed, HearthError
from hearth.policy.backoff import store_delay
from hearth.runtime.base import Builder, BuildRequest, BuildResult
from hearth.store.base import Store

log = logging.getLogger(__name__)

FLUSH = 0.05
"""Seconds that lines of a build log are collected before they are stored and published."""

ABOUT = (
    "description",
    "readme",
    "github_url",
    "paper_url",
    "weights_url",
    "license_url",
    "priority",
)
"""What hearth.yaml may say of a model. It fills what nobody has set: the owner's word stands."""


def version_id(model: str, source: tuple[SourceFile, ...], environment: str, schema: dict[str, Any]) -> str:
    """64 hex digits: the same push of the same model is the same version."""
    files = sorted((file.path, file.sha256, file.executable) for file in source)
    text = msgspec.json.encode([model, files, environment, schema], order="deterministic")
    return hashlib.sha256(text).hexdigest()


class _Log:
    """A build's log on its way: stored in pieces, then published. An event's `seq` is the number of
    characters before it."""

    def __init__(self, build_id: str, told: int, store: Store, bus: Bus, clock: Clock) -> None:
        self._id, self._told = build_id, told
        self._store, self._bus, self._clock = store, bus, clock
        self._pieces: list[str] = []
        self._news = asyncio.Event()
        self._closed = False

    def write(self, line: str) -> None:
        self._pieces.append(line if line.endswith("\n") else f"{line}\n")
        self._news.set()

    async def flush(self) -> None:
        """Store and publish what was written so far. If the store refuses, nothing is lost."""
        if not self._pieces:
            return
        count, text = len(self._pieces), "".join(self._pieces)
        await self._store.builds.append_log(self._id, text)
        del self._pieces[:count]
        self._bus.publish(self._id, (Event(self._told, Kind.LOG, self._clock.now(), text),))
        self._told += len(text)

    async def run(self) -> None:
        """Flush now and then, until `close`."""
        while not self._closed:
            await self._news.wait()
            await asyncio.sleep(FLUSH)
            self._news.clear()
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - drivers raise their own; the end of the build tries again
                log.warning("a build log could not be stored: %s", error, extra={"action": "store_refused"})

    def close(self) -> None:
        self._closed = True
        self._news.set()


class Builds:
    """`built` is told each version that a build gave, before the build is shown as done."""

    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        clock: Clock,
        sources: Sources,
        builder: Builder,
        showcase: Showcase,
        hardware: Sequence[str],
        parallel: int,
        built: Callable[[str], None],
    ) -> None:
        self._store, self._bus, self._clock = store, bus, clock
        self._sources, self._builder, self._built = sources, builder, built
        self._showcase, self._hardware = showcase, hardware
        self._gate = asyncio.Semaphore(parallel)
        self._known: set[str] = set()
        self._tasks = Tasks()

    async def start(self) -> None:
        """Run again what was interrupted, and what still waits."""
        for build in await self._store.builds.pending():
            self.add(build.id)

    def add(self, build_id: str) -> None:
        """Build it when its turn comes."""
        if build_id not in self._known:
            self._known.add(build_id)
            self._tasks.spawn(self._turn(build_id), f"build {build_id}")

    async def close(self) -> None:
        """Break off what runs; it stays pending."""
        await self._tasks.close()

    async def _turn(self, build_id: str) -> None:
        try:
            async with self._gate:
                build = await self._store.builds.get(build_id)
                if build is None or build.state not in (BuildState.QUEUED, BuildState.RUNNING):
                    return
                await self._build(build)
        finally:
            self._known.discard(build_id)

    async def _build(self, build: Build) -> None:
        """One build from start to end, whatever becomes of it."""
        told = await self._store.builds.log(build.id)
        lines = _Log(build.id, len(told), self._store, self._bus, self._clock)
        if build.state is BuildState.RUNNING:
            lines.write("The server restarted; the build starts again.")
        else:
            await self._store.builds.move(build.id, BuildState.RUNNING, at=self._clock.now())
        log.info("build %s of %s starts", build.id, build.model, extra={"action": "build_starts", "build": build.id})
        writer = asyncio.ensure_future(lines.run())
        version: str | None = None
        error: str | None = None
        hint: str | None = None
        try:
            version = await self._make(build, lines)
        except HearthError as failure:
            error, hint = failure.message, failure.hint
        except Exception:
            log.exception("build %s failed inside the engine", build.id, extra={"action": "build_error"})
            error = f"An error inside Hearth ended this build; the server's log names {build.id}."
        finally:
            lines.close()
            await asyncio.wait([writer])
        if error is not None:
            lines.write(error if hint is None else f"{error}\n{hint}")
        await self._end(build, lines, version, error, hint)

    async def _make(self, build: Build, lines: _Log) -> str:
        """The id of the version that came of it. Raises HearthError."""
        model = await self._model(build)
        folder = await self._sources.materialise(build.source)
        result = await self._builder.build(BuildRequest(id=build.id, folder=folder), lines.write)
        id = version_id(build.model, build.source, result.environment, result.openapi_schema)
        await self._describe(model, result.about, folder, lines)
        version = self._version(id, build, result)
        if await self._store.versions.add(version):
            await self._showcase.examples(model, version, result.about.get("examples") or [], folder, lines.write)
        return id

    async def _model(self, build: Build) -> Model:
        owner, _, name = build.model.partition("/")
        model = await self._store.models.get(owner, name)
        if model is None:
            raise BuildFailed(f"The model {build.model} was deleted while it was being pushed.")
        return model

    def _version(self, id: str, build: Build, result: BuildResult) -> Version:
        recipe = Recipe(
            source=build.source,
            environment=result.environment,
            lock=result.lock,
            python_version=result.python_version,
            predict=result.predict,
            train=result.train,
            concurrency=result.concurrency,
            is_async=result.is_async,
            streaming=result.streaming,
            takes_weights=result.takes_weights,
            variables=result.variables,
            tokenizer=result.about.get("tokenizer"),
            batching=result.batching,
        )
        return Version(
            id=id,
            model_id=build.model_id,
            model=build.model,
            created_at=self._clock.now(),
            cog_version=result.cog_version,
            openapi_schema=result.openapi_schema,
            recipe=recipe,
        )

    async def _describe(self, model: Model, about: dict[str, Any], folder: Path, lines: _Log) -> None:
        fields = {name: about[name] for name in ABOUT if about.get(name) and not getattr(model, name)}
        for name in model.undecided:
            if about.get(name):
                fields[name] = about[name]
        if fields.get("hardware") == ANY_GPU:
            fields["hardware"] = next((sku for sku in self._hardware if sku.startswith("gpu-")), self._hardware[0])
        if fields.get("hardware", self._hardware[0]) not in self._hardware:
            sku = fields.pop("hardware")
            lines.write(f"Warning: hearth.yaml: hardware: {sku} is not here; there are {', '.join(self._hardware)}")
        if model.undecided:
            fields["undecided"] = ()
        if about.get("cover") and not model.cover_image_url:
            fields["cover_image_url"] = await self._showcase.cover(model, about["cover"], folder, lines.write)
        if fields:
            await self._store.models.update(model.id, fields)

    async def _end(self, build: Build, lines: _Log, version: str | None, error: str | None, hint: str | None) -> None:
        """Record the end, as often as it takes."""
        state = BuildState.FAILED if version is None else BuildState.SUCCEEDED
        tries = 0
        while True:
            try:
                await lines.flush()
                await self._store.builds.move(
                    build.id, state, at=self._clock.now(), version_id=version, error=error, hint=hint
                )
                break
            except Exception as trouble:  # noqa: BLE001 - drivers raise their own; the pusher waits for this
                tries += 1
                log.warning("build %s could not be recorded: %s", build.id, trouble, extra={"action": "store_refused"})
                await self._clock.sleep(store_delay(tries))
        if version is not None:
            self._built(version)
        log.info("build %s of %s %s", build.id, build.model, state, extra={"action": "build_ends", "build": build.id})
        self._bus.publish(build.id, (), ended=True)
