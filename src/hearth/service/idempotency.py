"""`Idempotency-Key`: a create that is asked for again gets the first answer again.

Predictions and trainings are stored together with their key, so not even a crash makes two. Of other creates the
answer is stored after they are made; should the server die in between, the next try runs into the name that is
taken. Answers to mistakes are not kept: a corrected request may use the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from hearth.clock import Clock
from hearth.domain.account import Account
from hearth.domain.limits import KEY_LENGTH, Kept, Once
from hearth.errors import Conflict, InvalidRequest, KeyReused, Pointer
from hearth.store.base import Store

PATIENCE = 60.0
"""Seconds after which somebody who holds a key and does not answer is taken for dead."""


class Answer(NamedTuple):
    status: int
    body: bytes
    again: bool = False
    """It was given before."""


class Idempotency:
    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def answer(self, once: Once, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `make` answers, or what it answered the first time.

        Raises KeyReused for another request under the same key, Conflict while another process works on it.
        """
        async with self.alone(once):
            now = self._clock.now()
            kept = await self._store.idempotency.begin(once, now, now + PATIENCE)
            if kept is not None:
                check(once, kept)
                if kept.status is None or kept.body is None:
                    raise Conflict(
                        "The first request with this idempotency key is still being worked on.",
                        hint="Send it again in a moment.",
                    )
                return Answer(kept.status, kept.body, again=True)
            answer = None
            try:
                answer = await make()
            finally:
                # Also when the caller left meanwhile: what was made has its answer, what was not leaves the key free.
                if answer is not None and 200 <= answer.status < 300:
                    storing = self._store.idempotency.finish(once.account_id, once.key, answer.status, answer.body)
                else:
                    storing = self._store.idempotency.drop(once.account_id, once.key)
                await asyncio.shield(storing)
            return answer

    @contextlib.asynccontextmanager
    async def alone(self, once: Once) -> AsyncIterator[None]:
        """One at a time for each key, within this process."""
        name = (once.account_id, once.key)
        lock = self._locks.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and self._locks.get(name) is lock:
                del self._locks[name]


def once(caller: Account, key: str, *parts: bytes) -> Once:
    """`parts`: what the request asks for, byte by byte. Raises InvalidRequest for a key that is no key."""
    if not 0 < len(key) <= KEY_LENGTH or not key.isprintable():
        detail = f"Idempotency-Key: must be 1 to {KEY_LENGTH} printable characters, for example a UUID"
        raise InvalidRequest(errors=(Pointer("/Idempotency-Key", detail),))
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return Once(account_id=caller.id, key=key, fingerprint=digest.hexdigest())


def check(once: Once, kept: Kept) -> None:
    """Raises KeyReused."""
    if kept.fingerprint != once.fingerprint:
        raise KeyReused
