"""What a push's hearth.yaml shows of its model: the cover, and the examples, which are run once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.bus.base import Bus, NewPrediction
from hearth.clock import Clock
from hearth.domain import media
from hearth.domain.events import Event, Kind
from hearth.domain.file import File, FileKind, safe_name
from hearth.domain.model import Model, Version
from hearth.domain.prediction import EXAMPLE, Prediction
from hearth.domain.schema import InputSchema
from hearth.errors import InvalidInput
from hearth.store.base import Lease, Store

MAX_EXAMPLES = 20
"""Of one push: each is a run of the model."""
MAX_FILE = 100 * 1024 * 1024
"""Bytes of a cover or an example's input."""


class _Refused(Exception):
    """Something that cannot be shown. The message goes into the build's log."""


class Showcase:
    def __init__(self, *, store: Store, blobs: Blobs, bus: Bus, clock: Clock, lease: float) -> None:
        self._store, self._blobs, self._bus, self._clock, self._lease = store, blobs, bus, clock, lease

    async def cover(self, model: Model, named: str, folder: Path, log: Callable[[str], None]) -> str | None:
        """The picture that hearth.yaml names, as a URL or a stored file; None if it cannot be taken."""
        if named.startswith(("http://", "https://")):
            return named
        try:
            return (await self._keep(model, named, folder, FileKind.OUTPUT, None)).reference
        except _Refused as refused:
            log(f"Warning: hearth.yaml: cover: {refused}")
            return None

    async def examples(
        self, model: Model, version: Version, inputs: list[dict[str, Any]], folder: Path, log: Callable[[str], None]
    ) -> None:
        """Run them, as predictions of the model's owner. One that succeeds becomes an example by being recorded
        so (`store.base.Examples`); one that is wrong costs the push nothing but a line of its log."""
        schema, now = InputSchema.parse(version.openapi_schema), self._clock.now()
        if len(inputs) > MAX_EXAMPLES:
            log(f"Warning: hearth.yaml: examples: the first {MAX_EXAMPLES} are run, the others are left out")
        for number, input in enumerate(inputs[:MAX_EXAMPLES]):
            try:
                await self._run(model, version, schema, input, folder, at=now + number * 1e-6)  # in their order
            except _Refused as refused:
                log(f"Warning: hearth.yaml: examples[{number}]: {refused}")
            else:
                log(f"Example {number + 1} of {len(inputs)} is in line")

    async def _run(
        self, model: Model, version: Version, schema: InputSchema, input: dict[str, Any], folder: Path, *, at: float
    ) -> None:
        id = ids.sortable()
        if schema.secret_fields & input.keys():
            raise _Refused("an example is public and cannot have secret inputs")
        given = {
            name: await self._files(model, value, folder, id) if name in schema.file_fields else value
            for name, value in input.items()
        }
        try:
            checked = schema.check(given)
        except InvalidInput as error:
            raise _Refused("; ".join(f"{f.field}: {f.description}" for f in error.fields)) from None
        prediction = Prediction(
            id=id,
            account_id=model.account_id,
            model=version.model,
            version=version.id,
            input=checked,
            created_at=at,
            source=EXAMPLE,
            events=1,
        )
        owner = self._bus.owner
        lease = None if owner is None else Lease(owner, at + self._lease)
        await self._store.predictions.create(prediction, [Event(0, Kind.QUEUED, at, {})], lease=lease)
        self._bus.submit(NewPrediction(prediction=prediction, version=version))

    async def _files(self, model: Model, value: Any, folder: Path, prediction_id: str) -> Any:
        if isinstance(value, list):
            return [await self._files(model, item, folder, prediction_id) for item in value]
        if isinstance(value, str) and value.startswith("@"):
            return (await self._keep(model, value[1:], folder, FileKind.INPUT, prediction_id)).reference
        return value

    async def _keep(self, model: Model, named: str, folder: Path, kind: FileKind, prediction_id: str | None) -> File:
        data = await asyncio.to_thread(_read, folder, named)
        name = safe_name(named)
        file = File(
            id=ids.random32(),
            account_id=model.account_id,
            kind=kind,
            name=name,
            content_type=media.sniff(data[: media.HEAD], name),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            created_at=self._clock.now(),
            prediction_id=prediction_id,
        )
        await self._blobs.put(file.key, data)
        await self._store.files.add(file)
        return file


def _read(folder: Path, named: str) -> bytes:
    """A file of the pushed folder, and nothing beside it."""
    path = (folder / named).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise _Refused(f"there is no file {named} in the folder")
    if path.stat().st_size > MAX_FILE:
        raise _Refused(f"{named} is larger than {MAX_FILE // 2**20} MiB")
    return path.read_bytes()
