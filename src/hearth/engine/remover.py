"""Deleted versions are cleared away: their predictions with their files, then the sources that nobody needs.

In bounded steps, and each step may be done twice: what a stop of the server interrupts goes on at the next start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hearth.blobs.base import Blobs
from hearth.clock import Clock
from hearth.domain.file import parse_reference
from hearth.domain.model import Removal
from hearth.engine.collector import remove_contents
from hearth.engine.sources import Sources
from hearth.policy.backoff import store_delay
from hearth.store.base import Store

log = logging.getLogger(__name__)

STEP = 100
"""Predictions or contents that are removed at once."""
WAIT = 1.0
"""Seconds between two looks at predictions that have been told to end."""


class Remover:
    """`cancel` tells the engine to end a prediction."""

    def __init__(
        self, *, store: Store, blobs: Blobs, clock: Clock, sources: Sources, cancel: Callable[[str], None]
    ) -> None:
        self._store, self._blobs, self._clock, self._cancel = store, blobs, clock, cancel
        self._sources = sources
        self._news = asyncio.Event()
        self._news.set()  # an earlier server may have left something

    def wake(self) -> None:
        """A version has been deleted."""
        self._news.set()

    async def run(self) -> None:
        """Clear away whatever is deleted, for ever."""
        tries = 0
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                wait = await self.step()
                tries = 0
            except Exception:
                log.exception("a deleted version could not be removed yet", extra={"action": "remover_failed"})
                tries += 1
                wait = store_delay(tries)
            if wait is not None:
                await self._clock.sleep(wait)
                self._news.set()

    async def step(self) -> float | None:
        """A bite of every removal; seconds until the next one is worth while, None if nothing is left."""
        removals = await self._store.removals.pending(STEP)
        waits = [wait for removal in removals if (wait := await self._remove(removal)) is not None]
        if waits:
            return min(waits)
        return 0.0 if len(removals) == STEP else None

    async def _remove(self, removal: Removal) -> float | None:
        found = await self._store.removals.predictions(removal.version_id, STEP)
        ended = [id for id, over in found if over]
        if ended:
            files = await self._store.files.of_predictions(ended)
            await self._blobs.delete([file.key for file in files])
            await self._store.files.delete([file.id for file in files])
            await self._store.predictions.delete(ended)
            return 0.0
        if found:
            for id, _ in found:
                await self._store.predictions.request_cancel(id, self._clock.now())
                self._cancel(id)
            return WAIT
        await self._contents(removal)
        await self._weights(removal)
        await self._store.removals.done(removal.version_id)
        log.info(
            "nothing is left of version %s of %s",
            removal.version_id,
            removal.model,
            extra={"action": "version_removed", "version": removal.version_id},
        )
        return None

    async def _contents(self, removal: Removal) -> None:
        """Those that nobody needs, and the unpacked folder if some of its own go: a version with the same folder would
        need all of them."""
        contents = list({file.sha256 for file in removal.source})
        gone = 0
        for at in range(0, len(contents), STEP):
            gone += await remove_contents(self._store, self._blobs, contents[at : at + STEP])
        if gone:
            await self._sources.drop(removal.source)

    async def _weights(self, removal: Removal) -> None:
        reference = parse_reference(removal.weights or "")
        file = await self._store.files.get(reference[0]) if reference else None
        if file is not None:
            await self._blobs.delete([file.key])
            await self._store.files.delete([file.id])
