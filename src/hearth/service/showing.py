"""How a model presents itself: who may see it, what it runs on, and the picture that stands for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain import media
from hearth.domain.account import Account
from hearth.domain.file import File, FileKind, parse_reference, safe_name
from hearth.domain.model import Model, Visibility
from hearth.errors import InvalidRequest, NotFound, Pointer, TooLarge
from hearth.service.models import Models
from hearth.store.base import Store

MAX_COVER = 10 * 1024 * 1024
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/svg+xml")


class Showing:
    def __init__(self, *, store: Store, blobs: Blobs, clock: Clock, models: Models) -> None:
        self._store, self._blobs, self._clock, self._models = store, blobs, clock, models

    async def configure(
        self, caller: Account, owner: str, name: str, *, visibility: str | None = None, hardware: str | None = None
    ) -> Model:
        """Going private cuts others off at once. Raises NotFound, InvalidRequest."""
        model = await self._models.own(caller, owner, name)
        visibility, hardware, errors = visibility or model.visibility.value, hardware or model.hardware, []
        if visibility not in (Visibility.PUBLIC, Visibility.PRIVATE):
            errors.append(Pointer("/visibility", "visibility: must be public or private"))
        if hardware != model.hardware and all(hardware != known.sku for known in self._models.hardware):
            options = ", ".join(known.sku for known in self._models.hardware)
            errors.append(Pointer("/hardware", f"hardware: your options are: {options}"))
        if errors:
            raise InvalidRequest(errors=tuple(errors))
        return await self._update(model, {"visibility": visibility, "hardware": hardware, "undecided": ()})

    async def set_cover(self, caller: Account, owner: str, name: str, file: str, content: AsyncIterator[bytes]) -> None:
        """A picture of up to MAX_COVER bytes. Raises NotFound, InvalidRequest, TooLarge."""
        model = await self._models.own(caller, owner, name)
        data = bytearray()
        async for chunk in content:
            data += chunk
            if len(data) > MAX_COVER:
                raise TooLarge(f"A cover may have at most {MAX_COVER // 2**20} MB.")
        kind = media.sniff(bytes(data[: media.HEAD]), file)
        if kind.partition(";")[0] not in PICTURES:
            raise InvalidRequest(errors=(Pointer("/cover", "cover: use a PNG, JPEG, WebP, GIF, AVIF or SVG picture"),))
        record = File(
            id=ids.random32(),
            account_id=model.account_id,
            kind=FileKind.OUTPUT,
            name=safe_name(file),
            content_type=kind,
            size=len(data),
            sha256="",
            md5="",
            created_at=self._clock.now(),
        )
        stored = await self._blobs.put(record.key, bytes(data))
        await self._store.files.add(msgspec.structs.replace(record, sha256=stored.sha256, md5=stored.md5))
        await self._replace_cover(model, record.reference)

    async def remove_cover(self, caller: Account, owner: str, name: str) -> None:
        """Its default example stands for it again. Raises NotFound."""
        await self._replace_cover(await self._models.own(caller, owner, name), None)

    async def _replace_cover(self, model: Model, reference: str | None) -> None:
        await self._update(model, {"cover_image_url": reference})
        before = parse_reference(model.cover_image_url or "")
        file = await self._store.files.get(before[0]) if before else None
        if file is not None:
            await self._blobs.delete([file.key])
            await self._store.files.delete([file.id])

    async def _update(self, model: Model, fields: dict[str, Any]) -> Model:
        updated = await self._store.models.update(model.id, fields)
        if updated is None:
            raise NotFound
        self._models.changed(model)
        return updated
