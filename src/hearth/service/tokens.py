"""How a model splits a text, for the versions that ship their tokenizer."""

from __future__ import annotations

import asyncio

from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.model import SourceFile, Version
from hearth.errors import Conflict, InvalidRequest, NotFound, Pointer
from hearth.service.cache import Cache
from hearth.service.versions import Resolver
from hearth.tokens.base import Token, Tokenizer, Tokenizers, Unreadable

MOST = 200_000
"""Characters of one text."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a tokenizer; those of models with large vocabularies have about 20 MB."""
KEPT = 8
"""Tokenizers in memory; the one that was loaded first goes first."""


class Tokens:
    def __init__(self, *, blobs: Blobs, versions: Resolver, tokenizers: Tokenizers, clock: Clock) -> None:
        self._blobs, self._versions, self._tokenizers = blobs, versions, tokenizers
        self._loaded: Cache[str, Tokenizer] = Cache(clock, KEPT)
        self._loading = asyncio.Lock()

    async def split(
        self, caller: Account, *, owner: str, name: str, text: str, version: str | None = None
    ) -> list[Token]:
        """The tokens of a text, without what the model adds around it. `version`: an id, else the latest one.

        Raises NotFound, also where no tokenizer is shipped, InvalidVersion, InvalidRequest for a long text, and
        Conflict for a tokenizer that cannot be read.
        """
        if len(text) > MOST:
            raise InvalidRequest(errors=(Pointer("/text", f"text: may have at most {MOST:,} characters"),))
        model = (owner, name if version is None else f"{name}:{version}")
        found = await self._versions.resolve(caller, model=model)
        tokenizer = await self._of(found.version)
        return await asyncio.to_thread(tokenizer.split, text)

    async def _of(self, version: Version) -> Tokenizer:
        """By the content of its file: versions that ship the same one share it."""
        file = tokenizer_of(version)
        if file is None:
            hint = "Name its tokenizer.json in hearth.yaml (`tokenizer:`) and push it again."
            raise NotFound("This version ships no tokenizer.", hint=hint)
        known = self._loaded.get(file.sha256)
        if known is not None:
            return known
        async with self._loading:
            known = self._loaded.get(file.sha256)
            if known is None:
                known = await self._load(file)
                self._loaded.put(file.sha256, known)
        return known

    async def _load(self, file: SourceFile) -> Tokenizer:
        if file.size > LARGEST:
            raise Conflict(f"The tokenizer of this version has more than {LARGEST // 2**20} MB.")
        data = await self._blobs.get(file.key)
        try:
            return await asyncio.to_thread(self._tokenizers.load, data)
        except Unreadable as error:
            raise Conflict(f"The tokenizer of this version cannot be read: {error}") from error


def tokenizer_of(version: Version) -> SourceFile | None:
    """The file that it ships its tokenizer in."""
    path = version.recipe.tokenizer
    return next((file for file in version.recipe.source if file.path == path), None) if path else None
