"""What a model returns, made fit to keep: files are stored and become references, secrets are masked."""

from __future__ import annotations

import asyncio
import binascii
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from hearth import ids
from hearth.blobs.base import Blobs, Stored
from hearth.clock import Clock
from hearth.domain import media
from hearth.domain.file import File, FileKind, safe_name
from hearth.domain.prediction import Prediction
from hearth.engine.masking import Masker
from hearth.errors import HearthError, TooLarge
from hearth.runtime.base import FILE_OUTPUT
from hearth.store.base import Store


class OutputFailed(HearthError):
    """An output file could not be stored."""

    code = "output_failed"


class Outputs:
    """Stores the files of outputs. They last as long as the data of their prediction (`predictions.scrub`)."""

    def __init__(self, *, store: Store, blobs: Blobs, clock: Clock, limit: int) -> None:
        self._store, self._blobs, self._clock = store, blobs, clock
        self._limit = limit

    async def add_path(self, prediction: Prediction, path: Path, name: str) -> str:
        try:
            size, head = await asyncio.to_thread(_look, path)
            if size > self._limit:
                raise TooLarge(f"{size} bytes are more than the limit of {self._limit} for one output file.")
            file = self._new(prediction, name, media.sniff(head, name))
            file = await self._add(file, await self._blobs.put_file(file.key, path))
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except (OSError, HearthError) as error:
            raise OutputFailed(f"The output file {name!r} could not be stored: {error}") from error
        return file.reference

    async def add_data(self, prediction: Prediction, data: bytes, type: str, name: str) -> str:
        try:
            if len(data) > self._limit:
                raise TooLarge(f"{len(data)} bytes are more than the limit of {self._limit} for one output file.")
            file = self._new(prediction, name, type)
            file = await self._add(file, await self._blobs.put(file.key, data))
        except (OSError, HearthError) as error:
            raise OutputFailed(f"An output file could not be stored: {error}") from error
        return file.reference

    def _new(self, prediction: Prediction, name: str, type: str) -> File:
        return File(
            id=ids.random32(),
            account_id=prediction.account_id,
            kind=FileKind.OUTPUT,
            name=name,
            content_type=type,
            size=0,
            sha256="",
            md5="",
            created_at=self._clock.now(),
            prediction_id=prediction.id,
        )

    async def _add(self, file: File, stored: Stored) -> File:
        """The row comes after the bytes: whoever finds it can read them."""
        file = replace(file, size=stored.size, sha256=stored.sha256, md5=stored.md5)
        await self._store.files.add(file)
        return file


class Outlet:
    """The output of one run. Items go to `emit` in their order; one with a file in it waits until the file is
    stored, and holds back only the items after it."""

    def __init__(
        self,
        *,
        prediction: Prediction,
        outputs: Outputs,
        masker: Masker,
        data_files: bool,
        emit: Callable[[Any], None],
    ) -> None:
        self._prediction, self._outputs, self._masker = prediction, outputs, masker
        self._data_files, self._emit = data_files, emit
        self._names: set[str] = set()
        self._waiting: deque[Any] = deque()
        self._worker: asyncio.Task[None] | None = None
        self.count = 0
        """Items that came so far."""

    def item(self, value: Any) -> None:
        """The next item of an iterator's output."""
        self.count += 1
        if self._worker is None and not self._names_file(value):
            self._emit(self._masker.value(value))
            return
        self._waiting.append(value)
        if self._worker is None:
            self._worker = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        while self._waiting:
            self._emit(await self.stored(self._waiting.popleft()))
        self._worker = None

    async def drained(self) -> None:
        """Wait until every item has been emitted. Raises OutputFailed."""
        if self._worker is not None:
            await self._worker

    def busy(self, output: Any) -> bool:
        """Whether files are yet to be stored: then the instance must not go."""
        return self._worker is not None or self._names_file(output)

    def abandon(self) -> None:
        """What waits is not wanted any more."""
        worker, self._worker = self._worker, None
        self._waiting.clear()
        if worker is not None and not worker.cancel() and not worker.cancelled():
            worker.exception()  # it failed, and what it was for has failed as well

    async def stored(self, value: Any) -> Any:
        """The value with its files stored and its secrets masked. Raises OutputFailed."""
        if not self._names_file(value):
            return self._masker.value(value)
        if isinstance(value, list):
            return [await self.stored(item) for item in value]
        if isinstance(value, dict):
            return {self._masker.text(key): await self.stored(item) for key, item in value.items()}
        if value.startswith(FILE_OUTPUT):
            path = Path(value[len(FILE_OUTPUT) :])
            return await self._outputs.add_path(self._prediction, path, self._unique(path.name))
        decoded = await asyncio.to_thread(_decode, value)
        if decoded is None:
            return self._masker.value(value)
        type, data = decoded
        name = self._unique(f"output{media.extension_for(type)}")
        return await self._outputs.add_data(self._prediction, data, type, name)

    def _names_file(self, value: Any) -> bool:
        if isinstance(value, str):
            return value.startswith(FILE_OUTPUT) or (self._data_files and value.startswith("data:"))
        if isinstance(value, list):
            return any(self._names_file(item) for item in value)
        if isinstance(value, dict):
            return any(self._names_file(item) for item in value.values())
        return False

    def _unique(self, name: str) -> str:
        """A safe name that no other file of this run has: `out.png`, then `out-2.png`."""
        name = safe_name(self._masker.text(name), "output")
        path, number, unique = Path(name), 1, name
        while unique.lower() in self._names:
            number += 1
            unique = f"{path.stem}-{number}{path.suffix}"
        self._names.add(unique.lower())
        return unique


def _look(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        return path.stat().st_size, file.read(media.HEAD)


def _decode(uri: str) -> tuple[str, bytes] | None:
    """Type and bytes of a data URI; None if it is not one after all."""
    head, comma, body = uri[len("data:") :].partition(",")
    if not comma:
        return None
    parts = head.split(";")
    type = parts[0].strip().lower() or "text/plain"
    if "base64" not in (part.strip().lower() for part in parts[1:]):
        return type, unquote_to_bytes(body)
    try:
        return type, binascii.a2b_base64(body)
    except binascii.Error:
        return None
