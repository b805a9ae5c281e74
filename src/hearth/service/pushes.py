"""Pushes: a model's source arrives by content, and becomes a build.

The pusher names every file by path and SHA-256, sends what the server does not have, and the engine builds.
A push that broke off is simply started again: contents that arrived are kept, whatever became of their build.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.bus.base import BuildQueued, Bus
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.events import Event
from hearth.domain.model import Build, BuildState, Model, SourceFile
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer, TooLarge, Unavailable
from hearth.service.archive import Member, members
from hearth.service.models import Models
from hearth.service.versions import Resolver
from hearth.store.base import Store

CONFIG = "cog.yaml"
MAX_FILES = 20_000
MAX_PATH = 1024
"""Bytes of a path; 255 of one part of it, as file systems have it."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHECKS = 16
"""Contents that the blob store is asked for at once."""
_REMOVALS = 300
"""Looks at contents that are being removed, until a push is told to come again."""
_SETTLE = 0.1
"""Seconds between two looks at a log that grows (a build may print thousands of lines in one), or at a removal."""


class Pushes:
    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        bus: Bus,
        models: Models,
        versions: Resolver,
        clock: Clock,
        max_source: int = 32 * 1024**3,
        heartbeat: float = 10.0,
    ) -> None:
        """`max_source`: bytes of one push, all files together."""
        self._store = store
        self._blobs = blobs
        self._bus = bus
        self._models = models
        self._versions = versions
        self._clock = clock
        self._max_source = max_source
        self._heartbeat = heartbeat
        self._queueing = asyncio.Lock()

    async def start(
        self,
        caller: Account,
        owner: str,
        name: str,
        source: Sequence[SourceFile],
        *,
        create: bool = False,
        visibility: str | None = None,
    ) -> tuple[Build, list[str]]:
        """The build, and the contents that it still needs. Raises NotFound, InvalidRequest, TooLarge."""
        model = await self._model(caller, owner, name, create, visibility)
        errors = check_source(source)
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        if sum(file.size for file in source) > self._max_source:
            raise TooLarge(f"The folder is larger than {self._max_source} bytes.", hint="Leave out what is not needed.")
        build = Build(
            id=ids.sortable(),
            account_id=caller.id,
            model_id=model.id,
            model=model.full_name,
            source=tuple(source),
            created_at=self._clock.now(),
        )
        await self._store.builds.create(build)
        missing = await self._missing(source)  # what is here now stays: an open build needs it
        if not missing:
            build = await self._queue(build.id)
        return build, missing

    async def upload(self, caller: Account, build_id: str, chunks: AsyncIterator[bytes]) -> list[str]:
        """Take in a tar stream of contents, each member named by its SHA-256; what is missing still.

        Nothing is stored under a hash that it does not have. When nothing is missing, the build is queued.
        Raises NotFound, InvalidRequest, and Conflict if the build does not wait for contents.
        """
        build = await self.get(caller, build_id)
        if build.state is not BuildState.UPLOADING:
            raise Conflict(f"This push is {build.state} already.", hint="Start a new push.")
        files = {file.sha256: file for file in build.source}
        await self._settled(list(files))
        arrived: set[str] = set()
        async for member in members(chunks):
            file = files.get(member.name)
            if file is None:
                raise InvalidRequest(f"The archive holds {member.name!r}, which is not part of this push.")
            if member.size != file.size:
                raise InvalidRequest(f"The content {file.sha256} has {member.size} bytes, announced were {file.size}.")
            if file.sha256 not in arrived and not await self._blobs.exists(file.key):
                await self._blobs.put_stream(file.key, _verified(member), file.size)
            arrived.add(file.sha256)
        missing = await self._missing(file for file in files.values() if file.sha256 not in arrived)
        if not missing:
            await self._queue(build.id)
        return missing

    async def get(self, caller: Account, build_id: str) -> Build:
        """Raises NotFound for a build that is not the caller's."""
        build = await self._store.builds.get(build_id) if ids.PREDICTION_ID.fullmatch(build_id) else None
        if build is None or build.account_id != caller.id:
            raise NotFound
        return build

    async def log(self, caller: Account, build_id: str) -> AsyncGenerator[str | None, None]:
        """The log from its beginning and on, in whole lines, until the build has ended; None: nothing new
        for a while.

        The stored log alone is read, by length: the bus only says when to look. So no text is missed or told
        twice, whatever was restarted. Raises NotFound at the first step.
        """
        await self.get(caller, build_id)
        news = asyncio.Event()
        forget = self._bus.listen(build_id, lambda events, ended: news.set())
        told = 0
        try:
            while True:
                news.clear()
                found = await self._store.builds.get(build_id)
                over = found is None or found.state.terminal
                log = await self._store.builds.log(build_id)
                end = len(log) if over else log.rfind("\n") + 1
                if end > told:
                    yield log[told:end]
                    told = end
                if over:
                    return
                if not await _within(news, self._heartbeat):
                    yield None
                else:
                    await asyncio.sleep(_SETTLE)
        finally:
            forget()

    async def _model(self, caller: Account, owner: str, name: str, create: bool, visibility: str | None) -> Model:
        model = await self._store.models.get(owner, name)
        mine = owner == caller.username or caller.admin
        if model is not None and mine:
            return model
        if not mine:
            raise NotFound(
                f"You cannot push to {owner}/{name}.", hint=f"Push to your own account: {caller.username}/{name}"
            )
        if not create:
            raise NotFound(f"There is no model {owner}/{name}.", hint="Push with --create to make it.")
        return await self._models.ensure(caller, owner, name, visibility=visibility)

    async def _settled(self, contents: Sequence[str]) -> None:
        """Wait until none of these contents is just being removed. Raises Unavailable if that takes too long."""
        for _ in range(_REMOVALS):
            if not await self._store.garbage.condemned(contents):
                return
            await self._clock.sleep(_SETTLE)
        raise Unavailable("Contents of this push are just being removed.", hint="Push again in a minute.")

    async def _missing(self, source: Iterable[SourceFile]) -> list[str]:
        """The SHA-256 of each content that is not here yet, or is just being removed."""
        unique = {file.sha256: file.key for file in source}
        going = set(await self._store.garbage.condemned(list(unique)))
        limit = asyncio.Semaphore(_CHECKS)

        async def there(key: str) -> bool:
            async with limit:
                return await self._blobs.exists(key)

        found = await asyncio.gather(*map(there, unique.values()))
        return [sha256 for sha256, exists in zip(unique, found, strict=True) if not exists or sha256 in going]

    async def _queue(self, build_id: str) -> Build:
        """Hand the build to the engine, once, whichever upload was the last."""
        async with self._queueing:
            build = await self._store.builds.get(build_id)
            if build is None:
                raise NotFound
            if build.state is not BuildState.UPLOADING:
                return build
            await self._store.builds.move(build_id, BuildState.QUEUED, at=self._clock.now())
        self._forget_when_built(build)
        self._bus.submit(BuildQueued(build_id=build_id))
        return msgspec.structs.replace(build, state=BuildState.QUEUED)

    def _forget_when_built(self, build: Build) -> None:
        """The model has a new version from the moment the build ends: no request may find the old one."""
        owner, _, name = build.model.partition("/")

        def heard(events: Sequence[Event], ended: bool) -> None:
            if ended:
                self._versions.forget(owner, name)
                forget()

        forget = self._bus.listen(build.id, heard)


def check_source(source: Sequence[SourceFile]) -> list[Pointer]:
    """What is wrong with a manifest, at most ten sentences."""
    errors: list[Pointer] = []
    paths: set[str] = set()
    sizes: dict[str, int] = {}
    if len(source) > MAX_FILES:
        return [Pointer("/source", f"source: {len(source)} files, at most {MAX_FILES} are taken")]
    for index, file in enumerate(source):
        where = f"/source/{index}"
        wrong = _wrong_path(file.path)
        if wrong:
            errors.append(Pointer(f"{where}/path", f"path: {ascii(file.path)[:200]} {wrong}"))
        elif file.path in paths:
            errors.append(Pointer(f"{where}/path", f"path: {file.path} is named twice"))
        if not _SHA256.fullmatch(file.sha256):
            errors.append(Pointer(f"{where}/sha256", "sha256: must be 64 lower-case hex digits"))
        if file.size < 0 or sizes.setdefault(file.sha256, file.size) != file.size:
            errors.append(Pointer(f"{where}/size", f"size: {file.size} cannot be the size of {file.sha256}"))
        paths.add(file.path)
        if len(errors) >= 10:
            return errors
    folders = {path[:at] for path in paths for at, char in enumerate(path) if char == "/"}
    errors += [Pointer("/source", f"source: {path} is both a file and a folder") for path in sorted(paths & folders)]
    if CONFIG not in paths and not errors:
        errors.append(Pointer("/source", f"source: there is no {CONFIG} at the top of the folder"))
    return errors[:10]


def _wrong_path(path: str) -> str | None:
    try:
        parts = [part.encode() for part in path.split("/")]
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if path.startswith("/"):
        return "is absolute: paths are relative to the pushed folder"
    if any(part in (b"", b".", b"..") for part in parts):
        return "has an empty part, a . or a .."
    if any(ord(char) < 32 for char in path):
        return "holds a control character"
    if len(path.encode()) > MAX_PATH or any(len(part) > 255 for part in parts):
        return f"is too long: at most {MAX_PATH} bytes, and 255 between two slashes"
    return None


async def _verified(member: Member) -> AsyncIterator[bytes]:
    """The content; raises InvalidRequest in place of the end if it is not what its name says."""
    digest = hashlib.sha256()
    async for piece in member.content():
        digest.update(piece)
        yield piece
    if digest.hexdigest() != member.name:
        raise InvalidRequest(
            f"The content named {member.name} has the SHA-256 {digest.hexdigest()}.",
            hint="It changed while it was sent, or was damaged on the way. Push again.",
        )


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
