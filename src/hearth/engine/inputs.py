"""A prediction's input as the model gets it: secrets opened, files brought to this disk."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hearth.blobs.base import Blobs
from hearth.domain.file import parse_reference, safe_name
from hearth.domain.schema import InputSchema
from hearth.engine.masking import strings
from hearth.errors import FetchFailed, HearthError, NotFound
from hearth.net.base import Fetcher
from hearth.runtime.base import FILE_INPUT
from hearth.store.base import Store

_PARALLEL = 8


class Opener(Protocol):
    def open(self, sealed: bytes) -> bytes:
        """Raises Unavailable if the key is another one."""
        ...


class InputFailed(HearthError):
    """An input file could not be read."""

    code = "input_failed"


class Inputs:
    """`folder` holds one folder per running prediction, private copies that the model may do with as it likes."""

    def __init__(
        self, *, folder: Path, store: Store, blobs: Blobs, fetcher: Fetcher, sealer: Opener, limit: int
    ) -> None:
        self._folder, self._store, self._blobs = folder, store, blobs
        self._fetcher, self._sealer, self._limit = fetcher, sealer, limit

    def sweep(self) -> None:
        """Remove what an earlier server left."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def unseal(self, sealed: bytes | None) -> tuple[dict[str, Any], list[str]]:
        """The secret inputs by name, and all their texts. Sealed is a JSON object. Raises Unavailable."""
        if sealed is None:
            return {}, []
        secrets: dict[str, Any] = msgspec.json.decode(self._sealer.open(sealed))
        return secrets, list(strings(secrets))

    async def stage(self, id: str, input: dict[str, Any], schema: InputSchema) -> dict[str, Any]:
        """The input with each file as a local path. Raises InputFailed, naming the input."""
        names = [name for name in schema.file_fields if input.get(name)]
        if not names:
            return input
        gate = asyncio.Semaphore(_PARALLEL)
        staged = dict(input)

        async def bring(name: str) -> None:
            value = input[name]
            if isinstance(value, list):
                work = [self._local(id, name, number, item, gate) for number, item in enumerate(value)]
                staged[name] = list(await asyncio.gather(*work))
            else:
                staged[name] = await self._local(id, name, 0, value, gate)

        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(bring(name))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return staged

    async def discard(self, id: str) -> None:
        """Remove the copies of a prediction, if there are any."""
        folder = self._folder / id
        if folder.exists():
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _local(self, id: str, name: str, number: int, value: Any, gate: asyncio.Semaphore) -> Any:
        if not isinstance(value, str):
            return value
        folder = self._folder / id / f"{safe_name(name)}-{number}"
        async with gate:
            try:
                await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
                reference = parse_reference(value)
                if reference is None:
                    fetched = await self._fetcher.fetch(value, folder, self._limit)
                    return f"{FILE_INPUT}{fetched.path.absolute()}"
                path = (folder / safe_name(reference[1])).absolute()
                await self._bring_stored(reference[0], path)
                return f"{FILE_INPUT}{path}"
            except HearthError as error:
                raise InputFailed(f"The input {name!r} could not be read: {error.message}", hint=error.hint) from error
            except OSError as error:
                raise InputFailed(f"The input {name!r} could not be stored for the model: {error}") from error

    async def _bring_stored(self, file_id: str, path: Path) -> None:
        file = await self._store.files.get(file_id)
        if file is None:
            raise FetchFailed("the file does not exist any more.", hint="Uploads are kept for a limited time.")
        try:
            await self._blobs.fetch(file.key, path)
        except NotFound:
            raise FetchFailed("the content of the file is gone.") from None
