"""Seeds: an admin sets up a known world, records with fixed names and ids as they are written down.

Each call makes a thing, or changes the one that is there to what is asked for: seeding twice is seeding once.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from hearth import ids
from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain.account import Account, Token
from hearth.domain.events import Event, Kind
from hearth.domain.file import File, FileKind, safe_name
from hearth.domain.model import Model, Visibility
from hearth.domain.prediction import Phase, Prediction
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer
from hearth.seal import Sealer
from hearth.service.deployments import Deployments
from hearth.service.models import Models
from hearth.service.versions import LATEST, Resolver
from hearth.store.base import Store

_TOKEN = re.compile(r"[!-~][ -~]{6,253}[!-~]")
"""Whatever a header can carry: suites bring their own, such as `My Bearer Token`."""
_LONG = 24
"""Characters from which on the last four may be shown."""
_ENDS = {Phase.SUCCEEDED: Kind.SUCCEEDED, Phase.FAILED: Kind.FAILED, Phase.CANCELED: Kind.CANCELED}


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction that has ended, as a seed tells it."""

    account: str
    model: str
    version: str = LATEST
    input: dict[str, Any] = {}
    output: Any = None
    logs: str = ""
    error: str | None = None
    status: Phase = Phase.SUCCEEDED
    metrics: dict[str, Any] = {}
    source: str = "api"
    created_at: float
    started_at: float | None = None
    completed_at: float
    shared: bool = False
    example: bool = False


class Seeds:
    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        sealer: Sealer,
        clock: Clock,
        models: Models,
        versions: Resolver,
        deployments: Deployments,
    ) -> None:
        self._store, self._blobs, self._sealer, self._clock = store, blobs, sealer, clock
        self._models, self._versions, self._deployments = models, versions, deployments

    async def account(self, username: str, fields: Mapping[str, Any], tokens: tuple[str, ...]) -> Account:
        """Raises InvalidRequest; Conflict for a token that is somebody else's."""
        for token in tokens:
            if not _TOKEN.fullmatch(token):
                raise _wrong("/tokens", "a token is 8 to 255 printable ASCII characters, without blanks around it")
        if not ids.NAME.fullmatch(username):
            raise _wrong("/username", "use lower-case letters and digits, with single - . _ between them")
        account = await self._store.accounts.by_username(username)
        if account is None:
            account = Account(
                id=ids.sortable(),
                username=username,
                created_at=self._clock.now(),
                webhook_secret=self._sealer.seal(ids.webhook_secret().encode()),
            )
            await self._store.accounts.create(account)
        account = await self._store.accounts.update(account.id, dict(fields)) or account
        known = {token.hash for token in await self._store.accounts.tokens(account.id)}
        for token in tokens:
            hash = ids.token_hash(token)
            if hash not in known:
                added = Token(
                    hash=hash,
                    account_id=account.id,
                    name=f"seed {hash[:6]}",
                    created_at=self._clock.now(),
                    hint=token[-4:] if len(token) >= _LONG else "",
                )
                await self._store.accounts.add_token(added)
        return account

    async def model(self, owner: str, name: str, fields: Mapping[str, Any]) -> Model:
        """Raises NotFound for an owner that does not exist, InvalidRequest."""
        account = await self._owner(owner)
        visibility = str(fields.get("visibility", Visibility.PUBLIC.value))
        model = await self._models.ensure(account, owner, name, visibility=visibility)
        changed = await self._store.models.update(model.id, {**fields, "visibility": visibility})
        self._versions.forget(owner, name)
        return changed or model

    async def deployment(self, owner: str, name: str, fields: Mapping[str, Any]) -> None:
        """Raises NotFound, InvalidRequest."""
        account = await self._owner(owner)
        try:
            await self._deployments.create(account, name=name, **fields)
        except Conflict:
            await self._deployments.update(account, owner, name, dict(fields))

    async def prediction(self, id: str, told: Finished) -> Prediction:
        """Raises NotFound for an account that does not exist, InvalidRequest."""
        account = await self._owner(told.account)
        if not ids.PREDICTION_ID.fullmatch(id):
            raise _wrong("/id", "an id is 26 lower-case letters and digits")
        if told.status not in _ENDS:
            raise _wrong("/status", f"must be one of {', '.join(_ENDS)}: seeds have ended")
        reference = told.model if told.version == LATEST else f"{told.model}:{told.version}"
        found = await self._versions.resolve(account, version=reference, input=told.input)
        shape = found.version.openapi_schema.get("components", {}).get("schemas", {}).get("Output", {})
        iterated = shape.get("x-cog-array-type") == "iterator" and isinstance(told.output, list)
        happened: list[tuple[Kind, Any]] = [(Kind.QUEUED, {})]
        happened += [(Kind.OUTPUT, item) for item in (told.output if iterated else ())]
        happened.append((_ENDS[told.status], {"error": told.error} if told.error else {}))
        events = [
            Event(seq, kind, told.created_at if seq == 0 else told.completed_at, data)
            for seq, (kind, data) in enumerate(happened)
        ]
        prediction = Prediction(
            id=id,
            account_id=account.id,
            model=found.version.model,
            version=found.version.id,
            input=told.input,
            output=told.output,
            logs=told.logs,
            error=told.error,
            phase=told.status,
            metrics=told.metrics,
            source=told.source,
            created_at=told.created_at,
            started_at=told.started_at or told.created_at,
            completed_at=told.completed_at,
            events=len(events),
            attempt=1,
        )
        there = await self._store.predictions.get(id)
        if there is not None and there != prediction:
            await self._store.predictions.delete([id])
            there = None
        if there is None:
            await self._store.predictions.create(prediction, events)
        if told.example:
            await self._store.examples.add(id, [])
            self._models.changed(found.model)
        await self._store.predictions.share(id, told.shared)
        return prediction

    async def file(
        self,
        id: str,
        *,
        account: str,
        name: str,
        content_type: str,
        prediction: str | None,
        chunks: AsyncIterator[bytes],
    ) -> File:
        """An upload of the account that does not expire, or an output of `prediction`. Raises NotFound."""
        owner = await self._owner(account)
        if not ids.PREDICTION_ID.fullmatch(id):
            raise _wrong("/id", "an id is 26 lower-case letters and digits")
        file = File(
            id=id,
            account_id=owner.id,
            kind=FileKind.OUTPUT if prediction else FileKind.UPLOAD,
            name=safe_name(name),
            content_type=content_type,
            size=0,
            sha256="",
            md5="",
            created_at=self._clock.now(),
            prediction_id=prediction,
        )
        stored = await self._blobs.put_stream(file.key, chunks, 2**40)
        file = msgspec.structs.replace(file, size=stored.size, sha256=stored.sha256, md5=stored.md5)
        await self._store.files.delete([id])
        await self._store.files.add(file)
        return file

    async def _owner(self, username: str) -> Account:
        account = await self._store.accounts.by_username(username)
        if account is None:
            raise NotFound(f"There is no account {username}.")
        return account


def _wrong(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=(Pointer(pointer, f"{pointer.strip('/')}: {detail}"),))
